//! Checks of the whole file. In: an open album. Out: counts, problems, a canonical text.
//! Knows nothing of repair.

use std::fmt::Write;

use crate::database::Album;
use crate::error::Error;

/// Counts of an album, and what is wrong with its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Version of the file.
    pub version: i64,
    /// Bytes of the database, without its write-ahead log.
    pub size_bytes: u64,
    /// Photos; copies of one content count once.
    pub n_photos: usize,
    /// Faces found in them.
    pub n_faces: usize,
    /// People with a face or a name.
    pub n_people: usize,
    /// People with a name.
    pub n_named: usize,
    /// Faces assigned to nobody and not excluded.
    pub n_unassigned: usize,
    /// What SQLite's integrity and foreign-key checks find; empty if the file is sound.
    pub problems: Vec<String>,
}

impl Album {
    /// Counts everything and checks the whole file.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn health(&self) -> Result<Health, Error> {
        let count = |sql: &str| self.query_value::<i64>(sql).map(|n| n as usize);
        let read = |sql: &str| -> rusqlite::Result<Vec<String>> {
            self.db
                .prepare(sql)?
                .query_map([], |row| row.get(0))?
                .collect()
        };
        let mut problems = read("PRAGMA integrity_check(10)").map_err(|e| self.sqlite_error(e))?;
        problems.retain(|line| line != "ok");
        let orphans = read(
            "SELECT 'a row of ' || \"table\" || ' points to nothing' \
             FROM pragma_foreign_key_check LIMIT 10",
        );
        problems.extend(orphans.map_err(|e| self.sqlite_error(e))?);
        let pages: i64 = self.query_value("PRAGMA page_count")?;
        let page: i64 = self.query_value("PRAGMA page_size")?;
        Ok(Health {
            version: self.version(),
            size_bytes: (pages * page) as u64,
            n_photos: count("SELECT count(*) FROM photos WHERE gone = 0")?,
            n_faces: count(
                "SELECT (SELECT count(*) FROM faces) - (SELECT count(*) FROM photos h \
                 JOIN faces f ON f.photo = h.id WHERE h.gone = 1)",
            )?,
            n_people: count(
                "SELECT count(*) FROM people WHERE merged_into IS NULL \
                 AND (name IS NOT NULL OR id IN (SELECT person FROM members))",
            )?,
            n_named: count("SELECT count(*) FROM people WHERE name IS NOT NULL")?,
            n_unassigned: self.n_unassigned()?,
            problems,
        })
    }

    /// All tables but the decisions (which hold times) and the marks of pictures (which are keyed
    /// with a random number) as text, row by row. Two albums are equal if
    /// their dumps are.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn dump(&self) -> Result<String, Error> {
        let tables = [
            ("photos", "id"),
            ("contents", "hash"),
            ("gone_members", "face"),
            ("roots", "path"),
            ("files", "path"),
            ("passes", "photo, detector, embedder"),
            ("faces", "id"),
            ("templates", "face, model"),
            ("people", "id"),
            ("assertions", "id"),
            ("person_stats", "person"),
            ("questions", "id"),
            ("members", "face"),
            ("state", "key"),
            ("video_looks", "id"),
            ("videos", "id"),
            ("video_files", "path"),
            ("appearances", "id"),
            ("video_assertions", "id"),
        ];
        let mut text = String::new();
        let mut read = || -> rusqlite::Result<()> {
            for (table, key) in tables {
                // The marks of pictures are keyed with a random number and differ.
                let columns = match table {
                    "photos" => "id, hash, width_px, height_px, taken_at, taken_from, gone",
                    _ => "*",
                };
                let sql = format!("SELECT {columns} FROM {table} ORDER BY {key}");
                let mut query = self.db.prepare(&sql)?;
                let n_columns = query.column_count();
                let mut rows = query.query([])?;
                while let Some(row) = rows.next()? {
                    text.push_str(table);
                    for column in 0..n_columns {
                        // Writing to a string does not fail.
                        let _ = write!(text, " {:?}", row.get_ref(column)?);
                    }
                    text.push('\n');
                }
            }
            Ok(())
        };
        read().map_err(|e| self.sqlite_error(e))?;
        Ok(text)
    }
}
