//! Row numbers as types, so that a face cannot be passed for a person. In and out: plain integers.
//! Knows nothing of SQL.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// Number of a photo. A photo is a content: copies of one file are one photo with several
    /// paths.
    PhotoId
);
id!(
    /// Number of a face.
    FaceId
);
id!(
    /// Number of a person, named or not.
    PersonId
);
id!(
    /// Number of a video. A video is a content: copies of one file are one video.
    VideoId
);
id!(
    /// Number of somebody's appearance in a video.
    AppearanceId
);
