//! Enrolled people of the recognition service. In: templates and images of named people. Out: matches; all of it
//! encrypted on disk. Knows nothing of pixels, networks or HTTP.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
