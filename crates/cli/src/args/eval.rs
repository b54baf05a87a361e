//! The commands below `fusiform eval`. In: the command line. Out: what to measure, and on what.

use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::detect::{DetectArgs, unit};

#[derive(Debug, Subcommand)]
pub(crate) enum EvalCommand {
    /// Verification on Labeled Faces in the Wild, or any set of pairs in its form
    #[command(after_help = "Example: fusiform eval lfw --images lfw/images \
--pairs lfw/pairs.txt --svg det.svg")]
    Lfw {
        /// Folder with Name/Name_0001.jpg
        #[arg(long, value_name = "DIR")]
        images: PathBuf,
        /// pairs.txt as LFW View 2 has it
        #[arg(long, value_name = "FILE")]
        pairs: PathBuf,
        /// Draw the detection error tradeoff curve
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
        #[command(flatten)]
        detect: DetectArgs,
    },
    /// Grouping into people, the folder's name being the truth
    #[command(after_help = "Example: fusiform eval cluster --images lfw/images")]
    Cluster {
        /// Folder with one folder per person
        #[arg(long, value_name = "DIR")]
        images: PathBuf,
        /// Similarity at which faces are linked [default: the pack's]
        #[arg(long, value_name = "SIMILARITY", value_parser = unit)]
        link: Option<f32>,
        /// Also write embeddings.npy, labels.npy and groups.npy there, for other programs to
        /// compare
        #[arg(long, value_name = "DIR")]
        export: Option<PathBuf>,
        /// Compare only like faces from this many on, as large albums do
        #[arg(long, value_name = "N")]
        exact_up_to: Option<usize>,
        #[command(flatten)]
        detect: DetectArgs,
    },
    /// How much of a covered face can still be matched to it
    #[command(after_help = "Example: fusiform eval redact --images lfw/images")]
    Redact {
        /// Folder with one folder per person
        #[arg(long, value_name = "DIR")]
        images: PathBuf,
        #[command(flatten)]
        detect: DetectArgs,
    },
    /// Verification with one photo of each pair turned, masked, small, dark and so on
    #[command(after_help = "Example: fusiform eval robustness --images lfw/images \
--pairs lfw/pairs.txt\n\n\
Rows: plain; tilt-15, tilt-30, tilt-45, tilt-90, tilt-180 (degrees clockwise); mask and \
sunglasses (painted over the landmarks that the pack finds); face-32px, face-24px (longer side of \
the box); jpeg-30 (quality); dark-15 (percent of every value); grey.")]
    Robustness(RobustnessArgs),
    /// How well faces are found: recall, average precision, landmark error
    #[command(after_help = "Example: fusiform eval detect labelled-photos\n\n\
The folder holds faces.jsonl, a line for each photo: {\"photo\": \"party.jpg\", \"faces\": \
[{\"box\": [x, y, width, height], \"landmarks\": [[x, y], ...], \"ignore\": false}]}. \
Landmarks (optional) are the image-left eye, the other eye, the nose, and the mouth's middle \
or its two corners.")]
    Detect {
        /// Folder with the photos and faces.jsonl
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        #[command(flatten)]
        detect: DetectArgs,
    },
    /// Whether the quality of faces predicts errors: what remains without the worst photos
    #[command(
        after_help = "Example: fusiform eval quality --images lfw/images --svg discard.svg\n\n\
Error versus discard (ISO/IEC 29794-1): the false-non-match rate of all genuine comparisons, then \
without the worst 1, 2, 5, 10 and 20 % of the photos by each measure, at one threshold."
    )]
    Quality {
        /// Folder with one folder per person
        #[arg(long, value_name = "DIR")]
        images: PathBuf,
        /// The false-match rate that sets the threshold
        #[arg(long, default_value_t = 1e-3, value_name = "RATE")]
        fmr: f64,
        /// Draw the curves
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
        #[command(flatten)]
        detect: DetectArgs,
    },
}

/// The pairs, and what is changed.
#[derive(Debug, ClapArgs)]
pub(crate) struct RobustnessArgs {
    /// Folder with Name/Name_0001.jpg
    #[arg(long, value_name = "DIR")]
    pub(crate) images: PathBuf,
    /// pairs.txt as LFW View 2 has it
    #[arg(long, value_name = "FILE")]
    pub(crate) pairs: PathBuf,
    /// Only these rows
    #[arg(long, num_args = 1.., value_name = "ROW")]
    pub(crate) rows: Vec<String>,
    /// Only every Nth pair, for a first look
    #[arg(long, default_value = "1", value_name = "N")]
    pub(crate) every: NonZeroU16,
    #[command(flatten)]
    pub(crate) detect: DetectArgs,
}
