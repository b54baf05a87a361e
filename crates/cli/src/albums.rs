//! The commands that keep people albums right, as typed. In: the command line. Out: [`AlbumCommand`], not yet acted upon.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

/// Which part of a long list.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct Part {
    /// Lines shown
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) limit: usize,
    /// Lines passed over
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) offset: usize,
}

/// What a human answers to a question.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Said {
    /// It is that person
    Yes,
    /// It is not
    No,
    /// Cannot tell; it is not asked again
    Unsure,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AlbumCommand {
    /// Say that faces are a person; a name that nobody has makes a new person
    #[command(after_help = "Example: fusiform is 'Aunt Ida' 311 402")]
    Is {
        /// Name or number
        person: String,
        /// Numbers of the faces
        #[arg(required = true, value_name = "FACE")]
        faces: Vec<i64>,
    },
    /// Say that faces are not a person
    #[command(after_help = "Example: fusiform not 'Aunt Ida' 311")]
    Not {
        /// Name or number
        person: String,
        /// Numbers of the faces
        #[arg(required = true, value_name = "FACE")]
        faces: Vec<i64>,
    },
    /// Say that two people are two, so that they are never joined
    #[command(after_help = "Example: fusiform differ 'Aunt Ida' 12")]
    Differ {
        /// One
        one: String,
        /// The other
        other: String,
    },
    /// Say that these are no faces at all
    #[command(after_help = "Example: fusiform not-a-face 311")]
    NotAFace {
        /// Numbers of the faces
        #[arg(required = true, value_name = "FACE")]
        faces: Vec<i64>,
    },
    /// Leave a person out of lists; their faces stay theirs
    #[command(
        after_help = "Example: fusiform hide 12\n\nfusiform hide 12 --show brings them back."
    )]
    Hide {
        /// Name or number
        person: String,
        /// Show them again
        #[arg(long)]
        show: bool,
    },
    /// Erase a person for good: name, templates, assignments; no later scan takes these faces up again
    #[command(after_help = "Example: fusiform erase 'Aunt Ida' --yes\n\n\
This cannot be undone. Photos, sidecars and copies of the catalogue are not touched.")]
    Erase {
        /// Name or number
        person: String,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
    /// Who decided what and when, latest first
    #[command(
        after_help = "Example: fusiform history --limit 20\n\n`fusiform undo --decision NUMBER` takes one back."
    )]
    History {
        #[command(flatten)]
        part: Part,
    },
    /// Questions whose answers settle most, with reasons; and answering them
    #[command(after_help = "Example: fusiform review\n         fusiform review 17 yes")]
    Review {
        /// Number of a question
        #[arg(requires = "answer")]
        question: Option<i64>,
        /// The answer
        answer: Option<Said>,
        #[command(flatten)]
        part: Part,
    },
    /// Faces that belong to nobody
    #[command(after_help = "Example: fusiform leftovers")]
    Leftovers {
        /// Those that were ignored or said to be no faces instead
        #[arg(long)]
        aside: bool,
        #[command(flatten)]
        part: Part,
    },
    /// Photos in which all of these people are
    #[command(after_help = "Example: fusiform together 'Aunt Ida' 'Uncle Bo'")]
    Together {
        /// Names or numbers
        #[arg(required = true, value_name = "PERSON")]
        people: Vec<String>,
        #[command(flatten)]
        part: Part,
    },
    /// A photo of the catalogue with its faces and whose they are
    #[command(after_help = "Example: fusiform photo ~/Pictures/party.jpg")]
    Photo {
        /// Where it lies
        photo: PathBuf,
    },
}

/// What goes to other people and programs, and what comes from them.
#[derive(Debug, Subcommand)]
pub(crate) enum Sharing {
    /// Copy photos with everybody's face covered but those to keep, without any metadata
    #[command(after_help = "Example: fusiform redact party.jpg --keep 'Aunt Ida' -o to-share")]
    Redact(super::commands::redact::Wanted),
    /// Write names and faces for other programs
    #[command(subcommand)]
    Export(Export),
    /// Take over names and faces of other programs
    #[command(subcommand)]
    Import(Import),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// MWG face regions in an XMP sidecar beside each photo with named people
    #[command(after_help = "Example: fusiform export xmp\n\n\
Photos are not touched, nor sidecars of other programs.")]
    Xmp {
        /// Folder for the sidecars instead of beside the photos
        #[arg(long, short, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Face regions of digiKam, Lightroom and Picasa: sidecars, XMP inside photos, .picasa.ini
    #[command(
        after_help = "Example: fusiform import xmp\n\nScan the photos first. `fusiform undo` takes it back."
    )]
    Xmp,
    /// People of a running CompreFace into the recognition service: subjects and images, embedded anew
    #[command(
        name = "compreface",
        after_help = "Example: fusiform import compreface http://server:8000 --key 00000000-0000-0000-0000-000000000002\n\n\
Stop `fusiform serve` meanwhile. The key and the numbers of the images stay the same, so clients only need the new address. Run it \
again to go on where it stood, and once for each recognition service."
    )]
    CompreFace(super::args::FromCompreFace),
}
