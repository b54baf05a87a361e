//! The seam between a scan and the engine that finds faces. In: bytes of a photo. Out: a record.
//! Knows nothing of files, threads or networks.

use fusiform_face::image::{DecodeLimits, Fingerprint, Orientation};

use crate::photo_record::{ModelPair, PhotoRecord};
use crate::unusable::Unusable;

/// What a scan needs of an engine. It is called from several threads at once.
pub trait Analyse: Sync {
    /// The models whose results are recorded.
    fn models(&self) -> ModelPair;

    /// Largest file that is read, in bytes.
    fn max_bytes(&self) -> u64 {
        DecodeLimits::DEFAULT.max_bytes
    }

    /// All that the album stores of a photo.
    ///
    /// # Errors
    /// What is wrong with the photo, and the remedy, for the list of problems.
    fn photo_record(&self, bytes: &[u8]) -> Result<PhotoRecord, Unusable>;

    /// The fingerprint that [`Analyse::photo_record`] would give, without looking for faces; and
    /// how the file stores its pixels. For photos that an earlier build recorded without one.
    ///
    /// # Errors
    /// As [`Analyse::photo_record`].
    fn fingerprint(&self, bytes: &[u8]) -> Result<(Fingerprint, Orientation), Unusable>;

    /// As [`Analyse::photo_record`]; `note` is told what in the file had no effect or is missing.
    ///
    /// # Errors
    /// As [`Analyse::photo_record`].
    fn photo_record_noting(
        &self,
        bytes: &[u8],
        note: &mut dyn FnMut(String),
    ) -> Result<PhotoRecord, Unusable> {
        let _ = note;
        self.photo_record(bytes)
    }
}
