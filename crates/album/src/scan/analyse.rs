//! The seam between a scan and the engine that finds faces. In: bytes of a photo. Out: a record.
//! Knows nothing of files, threads or networks.

use fusiform_face::image::{Fingerprint, Orientation};

use crate::photo_record::{ModelPair, PhotoRecord};

/// What a scan needs of an engine. It is called from several threads at once.
pub trait Analyse: Sync {
    /// The models whose results are recorded.
    fn models(&self) -> ModelPair;

    /// All that the album stores of a photo.
    ///
    /// # Errors
    /// What is wrong with the photo, and the remedy, for the list of problems.
    fn photo_record(&self, bytes: &[u8]) -> Result<PhotoRecord, String>;

    /// The fingerprint that [`Analyse::photo_record`] would give, without looking for faces; and
    /// how the file stores its pixels. For photos that an earlier build recorded without one.
    ///
    /// # Errors
    /// As [`Analyse::photo_record`].
    fn fingerprint(&self, bytes: &[u8]) -> Result<(Fingerprint, Orientation), String>;

    /// As [`Analyse::photo_record`]; `note` is told what in the file had no effect or is missing.
    ///
    /// # Errors
    /// As [`Analyse::photo_record`].
    fn photo_record_noting(
        &self,
        bytes: &[u8],
        note: &mut dyn FnMut(String),
    ) -> Result<PhotoRecord, String> {
        let _ = note;
        self.photo_record(bytes)
    }
}
