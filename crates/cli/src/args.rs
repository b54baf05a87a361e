//! The whole command line, in one place: every command, flag, default and help text. Help, man
//! pages and shell completions are made from these definitions. In: the command line. Out:
//! [`Args`], parsed and not yet acted upon. Knows nothing of what a command does. The doc comments
//! below are the help that users read.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, value_parser};
use fusiform::album::{Page, PartialDate, QuestionId};
use fusiform::geometry::BoundingBox;
use fusiform::models::Precision;

mod detect;
mod enrol;
mod eval;
mod setup;

pub(crate) use detect::DetectArgs;
pub(crate) use enrol::{EnrolArgs, FolderOf, date_of};
pub(crate) use eval::{EvalCommand, RobustnessArgs};
pub(crate) use setup::SetupArgs;

const EXIT_CODES: &str = "Exit codes: 0 done; 1 the answer is no (different, nobody known); \
2 wrong usage; \
3 done, but some inputs had problems; 4 failed; 130 interrupted (run again to go on).";

/// Finds the faces in your photos, says which belong together, and recognises the people you name.
/// Everything stays on this machine.
#[derive(Debug, Parser)]
#[command(name = "fusiform", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Settings that every command takes.
#[derive(Debug, ClapArgs)]
pub(crate) struct Global {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress, no hints
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say more on stderr (twice: even more)
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// The file that holds photos, faces and people
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) catalogue: Option<PathBuf>,
    /// Folder of the model packs that were added
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) models_dir: Option<PathBuf>,
    /// Model pack to use: its name, or a folder written with a '/'
    #[arg(long, global = true, value_name = "PACK")]
    pub(crate) pack: Option<String>,
    /// Photos handled at once [default: one per core]
    #[arg(long, global = true, value_name = "N", value_parser = value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// Pixels that a photo may have, width times height [default: 200000000]
    #[arg(long, global = true, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) max_pixels: Option<u64>,
    /// Bytes that the file of a photo may have [default: 268435456]
    #[arg(long, global = true, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) max_bytes: Option<u64>,
    /// Settings file (TOML) instead of the one in Fusiform's home
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Instruction set to use instead of the best one, for tests
    #[arg(long, global = true, value_name = "ISA", hide = true)]
    pub(crate) isa: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take the photos of folders into the catalogue and group their faces into people
    #[command(
        after_help = "Example: fusiform scan ~/Pictures\n\nOnly new and changed files are read. \
Stop it at any time; a later run goes on where it stood. Folders of trash, thumbnails and previews \
are left out, and what the setting `exclude` says. People with a name are looked for in videos \
too, unless the setting `videos` is false."
    )]
    Scan {
        /// Folders (searched through), photos or videos [default: the remembered folders]
        #[arg(value_name = "DIR")]
        roots: Vec<PathBuf>,
        #[command(flatten)]
        exclude: ExcludeArgs,
        #[command(flatten)]
        detect: DetectArgs,
    },
    /// Scan folders, and then whatever is added, changed or deleted there, until Ctrl-C
    #[command(
        after_help = "Example: fusiform watch\n\nA photo that is copied into a folder is in \
the catalogue within seconds."
    )]
    Watch {
        /// Folders [default: the remembered folders]
        #[arg(value_name = "DIR")]
        roots: Vec<PathBuf>,
        #[command(flatten)]
        exclude: ExcludeArgs,
        #[command(flatten)]
        detect: DetectArgs,
    },
    /// The folders that `scan` and `watch` take when none is named
    #[command(subcommand)]
    Folders(FoldersCommand),
    /// List the people of the catalogue
    #[command(after_help = "Example: fusiform people")]
    People {
        /// Only those with a name
        #[arg(long)]
        named: bool,
        /// Only the first N
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// List one person's photos
    #[command(after_help = "Example: fusiform person 'Aunt Ida'")]
    Person {
        /// Name, or number as `fusiform people` shows it
        person: String,
    },
    /// Give a person a name
    #[command(after_help = "Example: fusiform name 7 'Aunt Ida'")]
    Name {
        /// Number (or present name) of the person
        person: String,
        /// The name
        name: String,
    },
    /// Make two people one; the first keeps number and name
    #[command(after_help = "Example: fusiform merge 'Aunt Ida' 12")]
    Merge {
        /// Who stays
        into: String,
        /// Who is taken in
        #[arg(required = true)]
        from: Vec<String>,
        /// Also if two of them are in one photo
        #[arg(long)]
        anyway: bool,
    },
    /// Move faces of a person to a new person of their own
    #[command(after_help = "Example: fusiform split 'Aunt Ida' 311 402\n\n\
The numbers of the faces are those `fusiform person` shows.")]
    Split {
        /// Whose faces they are now
        person: String,
        /// Numbers of the faces that are somebody else
        #[arg(required = true, value_name = "FACE")]
        faces: Vec<i64>,
    },
    /// Leave faces out of all people (strangers in the background)
    #[command(after_help = "Example: fusiform ignore 311")]
    Ignore {
        /// Numbers of the faces
        #[arg(required = true, value_name = "FACE")]
        faces: Vec<i64>,
    },
    /// Take back the latest decisions, or one
    #[command(after_help = "Example: fusiform undo 2\n         fusiform undo --decision 31")]
    Undo {
        /// How many
        #[arg(default_value_t = 1)]
        count: usize,
        /// The number of one decision, as `fusiform history` shows it
        #[arg(long, value_name = "NUMBER", conflicts_with = "count")]
        decision: Option<i64>,
    },
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
        #[arg(required_unless_present = "appearances", value_name = "FACE")]
        faces: Vec<i64>,
        /// Number of an appearance in a video, as `fusiform person` lists it, instead of a face
        #[arg(
            long = "appearance",
            value_name = "N",
            value_delimiter = ',',
            conflicts_with = "faces"
        )]
        appearances: Vec<i64>,
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
    /// Faces that were missed
    #[command(subcommand)]
    Face(FaceCommand),
    /// Let a face stand for its person in lists
    #[command(after_help = "Example: fusiform cover 311\n\n\
The numbers of the faces are those `fusiform person` shows.")]
    Cover {
        /// Number of the face
        #[arg(value_name = "FACE")]
        face: i64,
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
    /// Erase a person for good: name, templates, assignments; no later scan takes these faces up
    /// again
    #[command(after_help = "Example: fusiform erase 'Aunt Ida' --yes\n\n\
This cannot be undone. Photos, sidecars and copies of the catalogue are not touched.")]
    Erase {
        /// Name or number
        person: String,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
    /// Forget photos that were deleted: their faces and templates; names and decisions stay
    #[command(
        after_help = "Example: fusiform prune\n         fusiform prune --yes\n\n\
Without --yes it shows what it would forget. Photos below a folder that is not there are kept \
unless --root names it."
    )]
    Prune {
        /// Also everything below this folder, which will not come back
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
    /// Who decided what and when, latest first
    #[command(after_help = "Example: fusiform history --limit 20\n\n\
`fusiform undo --decision NUMBER` takes one back.")]
    History {
        #[command(flatten)]
        page: PageArgs,
    },
    /// Questions whose answers settle most, with reasons; and answering them
    #[command(
        after_help = "Example: fusiform review\n         fusiform review g12-3 yes\n\n\
A question is called by what it asks: g12-3 whether group 12 is person 3, f311-3 whether face 311 \
is."
    )]
    Review {
        /// What the question is called
        #[arg(requires = "answer")]
        question: Option<QuestionId>,
        /// The answer
        answer: Option<ReviewAnswer>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Faces that belong to nobody
    #[command(after_help = "Example: fusiform leftovers")]
    Leftovers {
        /// Those that were ignored or said to be no faces instead
        #[arg(long)]
        aside: bool,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Photos in which all of these people are, or any of them, by date
    #[command(
        after_help = "Example: fusiform together 'Aunt Ida' 'Uncle Bo' --to 2021-07\n         \
fusiform together --words holiday --from 2020 --to 2020"
    )]
    Together {
        /// Names or numbers
        #[arg(value_name = "PERSON", required_unless_present_any = ["from", "to", "words"])]
        people: Vec<String>,
        /// One of them is enough
        #[arg(long)]
        any: bool,
        /// Taken in or after this year, month or day
        #[arg(long, value_name = "DATE")]
        from: Option<PartialDate>,
        /// Taken in or before this year, month or day
        #[arg(long, value_name = "DATE")]
        to: Option<PartialDate>,
        /// Words in the path of the file, whatever their case and accents
        #[arg(long, value_name = "TEXT")]
        words: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// A photo of the catalogue with its faces and whose they are
    #[command(after_help = "Example: fusiform photo ~/Pictures/party.jpg")]
    Photo {
        /// Where it lies
        photo: PathBuf,
    },
    /// Copy photos and videos with everybody's face covered but those to keep, without any metadata
    #[command(
        after_help = "Examples: fusiform redact party.jpg --keep 'Aunt Ida' -o to-share\n\
          fusiform redact party.mp4 --keep 'Aunt Ida' -o to-share.mp4\n\n\
Videos need ffmpeg 5.1 or newer for coding. Every frame is looked at; where a face is not found\n\
between, or shortly before and after, frames where it is, it is covered all the same, and whoever\n\
is kept is covered in frames where that is in doubt. Sound is copied."
    )]
    Redact(RedactArgs),
    /// Who of the catalogue, and of the vault, appears when in videos
    #[cfg(feature = "video")]
    #[command(
        after_help = "Example: fusiform video party.mp4 --webvtt party.vtt --sheet party.jpg\n\n\
MP4, MOV, MKV and WebM with H.264 or H.265; others where ffmpeg is installed. Nothing of a video\n\
is kept in the catalogue; people without a name are counted, and neither their faces nor anything\n\
that tells them again is written."
    )]
    Video(VideoArgs),
    /// Find ONVIF cameras in the network, and the addresses of their streams
    #[cfg(feature = "cameras")]
    #[command(after_help = "Example: fusiform cameras\n         \
fusiform cameras 192.168.1.20 --user viewer --password-file camera.password\n\n\
Without an address it asks who is there. An address goes into the settings as the `source` of\n\
a camera, with `user` and `password_file` beside it: docs/cameras.md.")]
    Cameras(CamerasArgs),
    /// Write names and faces for other programs
    #[command(subcommand)]
    Export(ExportCommand),
    /// Take over names and faces of other programs
    #[command(subcommand)]
    Import(ImportCommand),
    /// Find the faces of photos, without a catalogue
    #[command(after_help = "Example: fusiform detect party.jpg --draw party-faces.jpg")]
    Detect {
        /// The photos
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Draw boxes and landmarks: a .jpg or .png file, or a folder for several photos
        #[arg(long, value_name = "OUT")]
        draw: Option<PathBuf>,
        #[command(flatten)]
        detect: DetectArgs,
    },
    /// Are these two photos of the same person?
    #[command(after_help = "Example: fusiform verify passport.jpg selfie.jpg\n\n\
Of several faces in a photo the largest counts.")]
    Verify {
        /// First photo
        a: PathBuf,
        /// Second photo
        b: PathBuf,
        #[command(flatten)]
        detect: DetectArgs,
    },
    /// Who of the catalogue is in this photo?
    #[command(after_help = "Example: fusiform find party.jpg")]
    Find {
        /// The photo
        photo: PathBuf,
        /// How many candidates to show for each face
        #[arg(long, default_value_t = 1, value_name = "N")]
        top: usize,
        #[command(flatten)]
        detect: DetectArgs,
    },
    /// Write a page with one strip of faces per person; it opens in any browser
    #[command(after_help = "Example: fusiform report people.html")]
    Report {
        /// The page to write
        out: PathBuf,
        /// Faces shown for each person
        #[arg(long, default_value_t = 12, value_name = "N")]
        faces: usize,
        /// People shown
        #[arg(long, default_value_t = 500, value_name = "N")]
        people: usize,
    },
    /// Measure how good a pack is on labelled photos
    #[command(subcommand)]
    Eval(EvalCommand),
    /// Measure the thresholds of a pack on labelled photos and write them into its manifest
    #[command(
        after_help = "Example: fusiform calibrate ~/labelled --pack ./my-pack\n\n\
One folder per person, named as you like. Without --write the thresholds are only printed."
    )]
    Calibrate(CalibrateArgs),
    /// List, show, add and check model packs
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Measure how fast this machine is with the networks, and with photos of yours
    #[command(after_help = "Example: fusiform bench --layers ~/Pictures/*.jpg\n\n\
One thread; the peak is what one core reaches without touching memory.")]
    Bench(BenchArgs),
    /// Say what this machine offers and whether catalogue and models are sound
    #[command(after_help = "Example: fusiform doctor")]
    Doctor,
    /// Serve the album's pages for your browser, and recognition for programs
    #[command(after_help = "Example: fusiform serve --listen 127.0.0.1:8000\n\n\
It answers to this machine only. Beyond it, as with --listen 0.0.0.0:8000, the pages need \
--password FILE, and --tls-cert and --tls-key keep keys and photos from being read on the way; \
programs need an API key anywhere (see fusiform key --help). Settings may also stand in the \
[serve] table of the settings file, or in FUSIFORM_LISTEN and the like. FUSIFORM_IMMICH_LISTEN, \
FUSIFORM_NEXTCLOUD_LISTEN and FUSIFORM_DEEPSTACK_LISTEN answer those programs in place of the \
server that they expect, each on a port of its own.")]
    Serve(ServeArgs),
    /// Write the settings file: pages, Immich, Nextcloud, DeepStack, Frigate and Home Assistant
    #[command(after_help = "Example: fusiform setup\n         \
fusiform setup --immich --immich-forward http://immich-machine-learning:3003\n         \
fusiform setup --broker mqtt://127.0.0.1:1883 --frigate http://127.0.0.1:5000\n\n\
At a terminal it asks; with flags it does not. What is not answered stays as it was. It tries \
each address, says what is wrong with it, and prints what to type into the other programs. The \
settings are written also if an address does not answer yet (exit code 3).")]
    Setup(Box<SetupArgs>),
    /// Make a service of the recognition server and print its API key
    #[command(after_help = "Example: fusiform key recognition\n\n\
The first key makes the vault, the encrypted file of enrolled people. \
A running server that had a vault takes new keys at once.")]
    Key(KeyArgs),
    /// Show the API keys, exchange one, take one back
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Enrol people in the recognition service: a folder per person, or named people of the album
    #[command(
        after_help = "Example: fusiform enrol people --basis consent --expires 365d\n         \
fusiform enrol --album --person 'Aunt Ida' --basis household --no-expiry\n         \
fusiform enrol /media/frigate/clips/faces --basis household --no-expiry\n\n\
DIR/Ida/*.jpg are pictures of Ida; each shows one face. Of the album, the clearest faces are \
taken, as crops without anybody else. Nobody is enrolled without a ground and an end. A picture \
that is enrolled already is not enrolled again, so the command can be stopped and repeated. Stop \
`fusiform serve` meanwhile."
    )]
    Enrol(EnrolArgs),
    /// The log of enrolments, identifications, exports and erasures
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Copy the vault, bring a copy back, change its key, move it into a database
    #[command(subcommand, visible_alias = "gallery")]
    Vault(VaultCommand),
    /// Print the completion script of a shell
    #[command(after_help = "Example: fusiform completions bash \
> ~/.local/share/bash-completion/completions/fusiform")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages, one for each command
    #[command(after_help = "Example: fusiform man ~/.local/share/man/man1")]
    Man {
        /// Folder for the pages, made if it is not there
        dir: PathBuf,
    },
}

/// What is measured.
#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct CalibrateArgs {
    #[command(subcommand)]
    pub(crate) other: Option<CalibrateCommand>,
    /// Folder with one folder of photos per person
    #[arg(required = true)]
    pub(crate) images: Option<PathBuf>,
    /// Write the thresholds into the pack's manifest (packs in a folder only)
    #[arg(long)]
    pub(crate) write: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CalibrateCommand {
    /// Index the templates of a vault in PostgreSQL, and measure how often a search finds the
    /// nearest
    #[command(
        after_help = "Example: FUSIFORM_VAULT=postgres://... fusiform calibrate index\n\n\
The breadth of the search (ef_search) is chosen for the recall asked for; every answer says which \
it had. Nobody can be enrolled while the index is made. `search_in = \"database\"` lets a server \
use it; servers with up to ten million templates search in memory, exactly, unless told otherwise."
    )]
    Index(IndexArgs),
}

/// How an index of templates is made and measured.
#[derive(Debug, ClapArgs)]
pub(crate) struct IndexArgs {
    /// How often the nearest template has to be found
    #[arg(long, default_value_t = 0.999, value_name = "RATE")]
    pub(crate) recall: f64,
    /// Links of each template (HNSW's m): more make the index better, larger and slower to make
    #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(4..=100))]
    pub(crate) links: u32,
    /// Candidates when a template is put in (ef_construction), at least twice the links
    #[arg(long, default_value_t = 128, value_parser = value_parser!(u32).range(8..=1000))]
    pub(crate) candidates: u32,
    /// Templates it is measured with
    #[arg(long, default_value_t = 2000, value_name = "NUMBER",
        value_parser = value_parser!(u32).range(10..=100_000))]
    pub(crate) probes: u32,
}

/// Where to serve, and what.
#[derive(Debug, ClapArgs)]
pub(crate) struct ServeArgs {
    /// Address and port [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// File whose first line is the password that the album's pages ask for
    #[arg(long, value_name = "FILE")]
    pub(crate) password: Option<PathBuf>,
    /// Certificate chain (PEM): speak TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Serve programs only, not the album's pages
    #[arg(long)]
    pub(crate) no_pages: bool,
    /// The vault: its file, or postgres://USER:PASSWORD@HOST/DATABASE, which servers may share
    #[arg(long, value_name = "PLACE")]
    pub(crate) store: Option<PathBuf>,
}

/// A new service and its key.
#[derive(Debug, ClapArgs)]
pub(crate) struct KeyArgs {
    /// What the key is good for
    pub(crate) kind: KeyKind,
    /// Take the key on the first line of this file, as another server had it; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// What the key is for, to find it again among others
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub(crate) name: String,
    /// Days until the key opens nothing any more [default: never]
    #[arg(long, value_name = "DAYS", value_parser = value_parser!(u32).range(1..=36500))]
    pub(crate) expires_days: Option<u32>,
    #[command(flatten)]
    pub(crate) terms: KeyTerms,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// One line per key: number, kind, name, when it was made and used, when it ends
    #[command(after_help = "Example: fusiform keys list\n\n\
Keys themselves are not kept, only their hashes.")]
    List,
    /// Print a new key in place of another, which goes on working for a while
    #[command(after_help = "Example: fusiform keys rotate 3 --overlap-hours 48\n\n\
People stay: the new key opens the same service. A running server knows within seconds.")]
    Rotate {
        /// Number of the key, as `keys list` shows it
        number: i64,
        /// Hours that the old key goes on working
        #[arg(long, default_value_t = 24, value_name = "HOURS")]
        overlap_hours: u32,
        /// Take the key on the first line of this file; `-` is stdin
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Take a key back: it opens nothing any more. The people of its service stay
    #[command(after_help = "Example: fusiform keys revoke 3\n\n\
A running server knows within seconds.")]
    Revoke {
        /// Number of the key, as `keys list` shows it
        number: i64,
    },
}

/// On what terms people enrolled with a key are kept when nothing else is said.
#[derive(Debug, ClapArgs)]
pub(crate) struct KeyTerms {
    /// Legal ground of enrolling: consent, contract, household …
    #[arg(long, default_value = "household", value_name = "WORD")]
    pub(crate) basis: String,
    /// What people are enrolled for
    #[arg(long, default_value = "recognition", value_name = "TEXT")]
    pub(crate) purpose: String,
    /// Days until a person stops matching and is erased [default: kept until erased]
    #[arg(long, value_name = "DAYS", value_parser = value_parser!(u32).range(1..=36500))]
    pub(crate) keep_days: Option<u32>,
}

/// Where the people are.
#[derive(Debug, ClapArgs)]
pub(crate) struct CompreFaceArgs {
    /// Address of the server
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// File with its recognition service's API key, which this server will answer to as well; `-`
    /// is stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: PathBuf,
    /// File with the key of another recognition service here, which takes the people
    #[arg(long, value_name = "FILE")]
    pub(crate) into_key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) terms: KeyTerms,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Prove that no entry was altered, left out or cut off, and that the vault holds what the log
    /// says: nobody moved, exchanged, missing or back
    #[command(after_help = "Example: fusiform audit verify --since \
$(cat /elsewhere/head.txt)\n\n\
Without --since, a whole file that was put back to an older state cannot be told from a new one.")]
    Verify {
        /// Also find this hash, which `audit head` printed earlier: a file put back to an older
        /// state does not have it
        #[arg(long, value_name = "HASH")]
        since: Option<String>,
    },
    /// Print the hash of the newest entry, to be kept elsewhere
    #[command(after_help = "Example: fusiform audit head > /elsewhere/head.txt")]
    Head,
    /// Print the entries with their hashes; people are named by number, so erased ones leave no
    /// name
    #[command(after_help = "Example: fusiform audit list --after 1000 --limit 100")]
    List {
        /// Only entries after this one
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: i64,
        /// At most so many [default: all]
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Remove entries older than some days; what they say is kept as a whole, and the rest is
    /// proved as before
    #[command(after_help = "Example: fusiform audit prune --days 365")]
    Prune {
        /// Age in days from which on entries go
        #[arg(long, value_name = "DAYS", value_parser = value_parser!(u32).range(1..=36500))]
        days: u32,
    },
    /// Decide to go on with a vault that was altered: what cannot be proved is removed, and the
    /// log is proved anew from an entry that records the decision
    #[command(after_help = "Example: fusiform audit accept --yes\n\n\
Stop the server first, and keep a copy of the file: it is the evidence. Where a backup is good, \
restore that instead.")]
    Accept {
        /// Do it; without this, nothing is changed
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum VaultCommand {
    /// Write a copy, sealed with the same key, while a server may be running
    #[command(
        after_help = "Example: fusiform vault backup /backups/vault-monday.db\n\n\
People erased later are still in the copy: delete old copies when somebody asks to be forgotten."
    )]
    Backup {
        /// The file to write
        file: PathBuf,
    },
    /// Put a copy in the vault's place after checking it; there must be no vault there
    #[command(
        after_help = "Example: fusiform vault restore /backups/vault-monday.db\n\n\
People erased after the copy was made are back in it: erase them again."
    )]
    Restore {
        /// The copy
        file: PathBuf,
    },
    /// Embed everybody anew with the pack in use, from the pictures in the vault; stop the server
    /// first
    #[command(after_help = "Example: fusiform vault reembed --pack my-pack\n\n\
Names, consents and the log stay. It may be interrupted: a second run does the rest. Faces that \
cannot be embedded are kept but not matched, and listed.")]
    Reembed,
    /// Copy the vault from a file into a PostgreSQL database that several servers share, or back;
    /// stop the server first
    #[command(after_help = "Example: fusiform vault move --from vault.db --to \
postgres://fusiform:PASSWORD@db.example/faces\n\n\
The same key opens the copy. It is proved before anybody can see it: every row, every image, the \
audit log. The place it came from stays as it is.")]
    Move {
        /// A file, or the address of a database
        #[arg(long, value_name = "PLACE")]
        from: String,
        /// The other
        #[arg(long, value_name = "PLACE")]
        to: String,
    },
    /// The servers that share the vault, and which have taken in everything
    #[command(after_help = "Example: fusiform vault servers\n\n\
What was erased before a server was heard of with 0 changes behind is in its memory no more.")]
    Servers,
    /// Say that this machine's clock is right, after it jumped; stop the server first
    #[command(after_help = "Example: fusiform vault trust-clock\n\n\
After a jump of more than a day, people whose consent has ended are not matched but not erased \
either, until the clock has gone on evenly for a day or this command was given.")]
    TrustClock,
    /// Seal the vault with the key in another file; stop the server first
    #[command(after_help = "Example: fusiform vault rekey new.key\n\n\
The file is made with a new key if it is not there. Then point FUSIFORM_VAULT_KEY_FILE at it.")]
    Rekey {
        /// File with the new key, 64 hexadecimal digits
        file: PathBuf,
    },
}

/// What a service's key is good for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyKind {
    /// Enrols and recognises
    Recognition,
    /// Finds faces
    Detection,
    /// Compares two images
    Verification,
    /// Makes and removes services, copies the vault; sees nobody
    Admin,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// One line per pack
    #[command(after_help = "Example: fusiform models list")]
    List,
    /// All that a pack says of itself
    #[command(after_help = "Example: fusiform models show base")]
    Show {
        /// Name of the pack
        name: Option<String>,
    },
    /// Copy a pack into the library after checking its hashes
    #[command(after_help = "Example: fusiform models add ~/Downloads/my-pack")]
    Add {
        /// Folder with manifest.toml and the files it names
        dir: PathBuf,
    },
    /// Read every file of every pack and compare the hashes
    #[command(after_help = "Example: fusiform models verify")]
    Verify,
}

/// Faces that a human draws.
#[derive(Debug, Subcommand)]
pub(crate) enum FaceCommand {
    /// Draw a face that was not found, and say who it is
    #[command(
        after_help = "Example: fusiform face add party.jpg 1210,340,180,220 'Aunt Ida'\n\n\
Pixels count from the top left of the upright photo. It stays through later scans, and in copies \
of the photo; `fusiform undo` takes it back."
    )]
    Add {
        /// The photo, which was scanned before
        photo: PathBuf,
        /// Left edge, top edge, width and height, in pixels
        #[arg(value_name = "X,Y,W,H", value_parser = drawn_box, allow_hyphen_values = true)]
        bbox: BoundingBox,
        /// Who it is; a name that nobody has makes a new person
        name: Option<String>,
    },
}

/// `x,y,w,h` in pixels.
fn drawn_box(text: &str) -> Result<BoundingBox, String> {
    let wanted = || "four numbers of pixels are wanted: left,top,width,height".to_owned();
    let sides = text.split(',').map(|side| side.trim().parse::<f32>());
    let sides: Vec<f32> = sides.collect::<Result<_, _>>().map_err(|_| wanted())?;
    match sides[..] {
        [x, y, width, height] if width > 0.0 && height > 0.0 => {
            Ok(BoundingBox::from_array([x, y, x + width, y + height]))
        }
        _ => Err(wanted()),
    }
}

/// The folders that are remembered.
#[derive(Debug, Subcommand)]
pub(crate) enum FoldersCommand {
    /// One line per folder, with its photos, and whether it is there
    #[command(after_help = "Example: fusiform folders list\n\n\
A folder that was scanned is remembered.")]
    List,
    /// Remember a folder without scanning it yet
    #[command(after_help = "Example: fusiform folders add ~/Pictures")]
    Add {
        /// The folder
        dir: PathBuf,
    },
    /// Scan a folder no longer unasked; its photos stay in the catalogue
    #[command(after_help = "Example: fusiform folders remove ~/Pictures\n\n\
`fusiform prune --root DIR` forgets its photos.")]
    Remove {
        /// The folder
        dir: PathBuf,
    },
}

/// What to leave out.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ExcludeArgs {
    /// Leave out what this pattern of a .gitignore matches, beside what the settings say
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Look for nobody in videos
    #[cfg(feature = "video")]
    #[arg(long)]
    pub(crate) no_videos: bool,
}

impl ExcludeArgs {
    /// Whether people are looked for in videos, by the flag and the settings.
    #[cfg(feature = "video")]
    pub(crate) fn with_videos(&self, setting: bool) -> bool {
        setting && !self.no_videos
    }
}

/// Which part of a long list.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct PageArgs {
    /// Lines shown
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) limit: usize,
    /// Lines passed over
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) offset: usize,
}

impl PageArgs {
    pub(crate) fn page(self) -> Page {
        Page {
            offset: self.offset,
            limit: self.limit,
        }
    }
}

/// What a human answers to a question.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ReviewAnswer {
    /// It is that person
    Yes,
    /// It is not
    No,
    /// Cannot tell; it is not asked again
    Unsure,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// MWG face regions in an XMP sidecar beside each photo with named people
    #[command(after_help = "Example: fusiform export xmp\n\n\
Photos are not touched. In sidecars of other programs only what Fusiform wrote is renewed; names \
that were taken back are taken out.")]
    Xmp {
        /// Folder for the sidecars instead of beside the photos; it mirrors their folders
        #[arg(long, short, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Names of digiKam, Lightroom, Windows and Picasa: sidecars, XMP inside photos, .picasa.ini
    #[command(after_help = "Example: fusiform import xmp\n\n\
Scan the photos first. What you decided later than a file was written stands. `fusiform undo` \
takes it back.")]
    Xmp,
    /// Confirmed faces of digiKam's own database
    #[command(
        after_help = "Example: fusiform import digikam ~/Pictures/digikam4.db\n\n\
Scan the photos first. The database is only read. `fusiform undo` takes it back."
    )]
    Digikam {
        /// The file digikam4.db
        #[arg(value_name = "FILE")]
        database: PathBuf,
    },
    /// People and faces of a running Immich
    #[command(
        after_help = "Example: fusiform import immich --url http://server:2283 \
--key-file immich.key\n\n\
Scan the photos first. Immich is only read: the key needs the permissions person.read, face.read \
and asset.read, and may also stand in FUSIFORM_IMMICH_KEY. What you decided about a face stands. \
`fusiform undo` takes the import back."
    )]
    Immich {
        /// Address of the server
        #[arg(long, value_name = "URL")]
        url: String,
        /// File with an API key on its first line; `-` is stdin
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// People of a running CompreFace into the recognition service: subjects and images, embedded
    /// anew
    #[command(
        name = "compreface",
        after_help = "Example: fusiform import compreface http://server:8000 \
--key-file old.key\n\n\
Stop `fusiform serve` meanwhile. The key and the numbers of the images stay the same, so clients \
only need the new address. Run it again to go on where it stood, and once for each \
recognition service."
    )]
    CompreFace(CompreFaceArgs),
}

/// Photos and videos, whom to keep, where to.
#[derive(Debug, ClapArgs)]
pub(crate) struct RedactArgs {
    /// The photos and videos
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Names or numbers of those who stay recognisable
    #[arg(long, num_args = 1.., value_name = "NAME")]
    pub(crate) keep: Vec<String>,
    /// Folder for the copies, or the copy of one video: .mp4, .m4v, .mov or .mkv
    #[arg(long, short, value_name = "OUT")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) enrolled: EnrolledArgs,
    #[command(flatten)]
    pub(crate) detect: DetectArgs,
}

/// Cameras to ask, and the login.
#[cfg(feature = "cameras")]
#[derive(Debug, ClapArgs)]
pub(crate) struct CamerasArgs {
    /// Cameras whose streams are asked for: addresses, or URLs of their ONVIF services
    #[arg(value_name = "ADDRESS")]
    pub(crate) cameras: Vec<String>,
    /// Who logs in
    #[arg(long, value_name = "NAME", requires = "cameras")]
    pub(crate) user: Option<String>,
    /// File with the password on its first line
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) password_file: Option<PathBuf>,
    /// Seconds that cameras have for their answer to who is there
    #[arg(
        long,
        default_value_t = 4,
        value_name = "S",
        value_parser = value_parser!(u16).range(1..=60)
    )]
    pub(crate) wait_s: u16,
}

/// Whether people of the vault are known too, and which.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct EnrolledArgs {
    /// Know the people who are enrolled in the vault too, not those of the catalogue alone
    #[arg(long)]
    pub(crate) enrolled: bool,
    /// File with the API key of the collection they are in; `-` is stdin
    #[arg(long, value_name = "FILE", requires = "enrolled")]
    pub(crate) key_file: Option<PathBuf>,
    /// Number of that collection, as `fusiform keys list` shows it (service)
    #[arg(
        long,
        value_name = "NUMBER",
        requires = "enrolled",
        conflicts_with = "key_file"
    )]
    pub(crate) collection: Option<i64>,
}

/// Videos, how closely they are looked at, what is written.
#[cfg(feature = "video")]
#[derive(Debug, ClapArgs)]
pub(crate) struct VideoArgs {
    /// The videos
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Milliseconds between the frames that are looked at
    #[arg(
        long,
        default_value_t = 200,
        value_name = "MS",
        value_parser = value_parser!(u32).range(1..=60_000)
    )]
    pub(crate) interval_ms: u32,
    /// Write when whom is to be seen as WebVTT, which players show; of one video
    #[arg(long, value_name = "FILE")]
    pub(crate) webvtt: Option<PathBuf>,
    /// Write a contact sheet, .jpg or .png: the best face of each appearance of a named person
    #[cfg(feature = "draw")]
    #[arg(long, value_name = "FILE")]
    pub(crate) sheet: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) enrolled: EnrolledArgs,
    #[command(flatten)]
    pub(crate) detect: DetectArgs,
}

/// What is measured, and how long.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct BenchArgs {
    /// Photos to decode and to take through the whole pipeline
    #[arg(value_name = "PHOTO")]
    pub(crate) photos: Vec<PathBuf>,
    /// An ONNX file to measure instead of the pack's networks
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    /// Side of inputs whose size the model leaves open
    #[arg(
        long,
        default_value_t = 640,
        value_name = "PX",
        value_parser = value_parser!(u16).range(32..=4096)
    )]
    pub(crate) side: u16,
    /// What dense layers multiply, float32 or int8, instead of what the pack's manifest says
    #[arg(long, value_name = "PRECISION")]
    pub(crate) precision: Option<Precision>,
    /// Show every layer
    #[arg(long)]
    pub(crate) layers: bool,
    /// Runs of which the median counts
    #[arg(
        long,
        default_value_t = 15,
        value_name = "N",
        value_parser = value_parser!(u16).range(1..=10_000)
    )]
    pub(crate) rounds: u16,
}
