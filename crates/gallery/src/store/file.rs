//! The file itself. In: a path and a secret. Out: a connection, whose file it is; a file of
//! an earlier version with the tables of the present one.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::schema::{APPLICATION_ID, MIGRATIONS, NEWEST};
use crate::error::Error;

/// How long a writer waits for one of another process.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection as every part of the store needs it.
pub(super) fn connect(path: &Path) -> Result<Connection, Error> {
    let db = Connection::open(path)?;
    db.busy_timeout(PATIENCE)?;
    let set = db.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;",
    );
    set.map_err(|e| of_file(path, e))?;
    Ok(db)
}

/// An error of the first look at a file.
fn of_file(path: &Path, error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => Error::NotAGallery(path.into()),
        _ => error.into(),
    }
}

/// Whether the file holds a gallery; `false` if it is empty, or was made and never given a key.
pub(super) fn is_gallery(db: &Connection, path: &Path) -> Result<bool, Error> {
    let number = |sql: &str| db.query_row(sql, [], |r| r.get::<_, i64>(0));
    let application = number("PRAGMA application_id").map_err(|e| of_file(path, e))?;
    if application != 0 && application != i64::from(APPLICATION_ID) {
        return Err(Error::NotAGallery(path.into()));
    }
    let found = number("PRAGMA user_version")?;
    if found > NEWEST {
        return Err(Error::Newer {
            file: path.into(),
            found,
            known: NEWEST,
        });
    }
    if number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(false);
    }
    if number("SELECT count(*) FROM sqlite_schema WHERE name IN ('head', 'example')")? != 2 {
        return Err(Error::NotAGallery(path.into()));
    }
    let written = "SELECT EXISTS (SELECT 1 FROM head) OR EXISTS (SELECT 1 FROM service)
                   OR EXISTS (SELECT 1 FROM audit)";
    Ok(number(written)? != 0)
}

pub(super) fn migrate(db: &mut Connection, path: &Path) -> Result<(), Error> {
    let migrated = MIGRATIONS.to_latest(db);
    migrated.map_err(|e| Error::Migration(path.into(), e.into()))?;
    let application: i32 = db.query_row("PRAGMA application_id", [], |r| r.get(0))?;
    if application != APPLICATION_ID {
        db.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    Ok(())
}
