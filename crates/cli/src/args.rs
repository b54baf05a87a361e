//! What one may type. In: the command line. Out: [`Args`], parsed and not yet acted upon.
//! Knows nothing of models or catalogues.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

const EXIT_CODES: &str = "Exit codes: 0 done; 1 the answer is no (different, nobody known); 2 wrong usage; \
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
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// Settings file (TOML) instead of the one in Fusiform's home
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Instruction set to use instead of the best one, for tests
    #[arg(long, global = true, value_name = "ISA", hide = true)]
    pub(crate) isa: Option<String>,
}

/// How hard to look for faces.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct Looking {
    /// Side in pixels of the photo of the smallest face to find; smaller is slower
    #[arg(long, value_name = "PX", value_parser = min_face)]
    pub(crate) min_face: Option<f32>,
    /// Drop faces that the detector scores lower, 0 to 1 [default: the pack's]
    #[arg(long, value_name = "SCORE", value_parser = unit)]
    pub(crate) min_score: Option<f32>,
}

fn min_face(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(px) if (4.0..=10_000.0).contains(&px) => Ok(px),
        _ => Err("a number of pixels from 4 to 10000 is wanted".into()),
    }
}

fn unit(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(score) if (0.0..=1.0).contains(&score) => Ok(score),
        _ => Err("a number from 0 to 1 is wanted".into()),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take the photos of folders into the catalogue and group their faces into people
    #[command(
        after_help = "Example: fusiform scan ~/Pictures\n\nOnly new and changed files are read. \
Stop it at any time; a later run goes on where it stood."
    )]
    Scan {
        /// Folders (searched through) or photos
        #[arg(required = true, value_name = "DIR")]
        roots: Vec<PathBuf>,
        #[command(flatten)]
        looking: Looking,
    },
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
    #[command(flatten)]
    AlbumCommand(super::albums::AlbumCommand),
    #[command(flatten)]
    Sharing(super::albums::Sharing),
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
        looking: Looking,
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
        looking: Looking,
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
        looking: Looking,
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
    Eval(Eval),
    /// Measure the thresholds of a pack on labelled photos and write them into its manifest
    #[command(
        after_help = "Example: fusiform calibrate ~/labelled --pack ./my-pack\n\n\
One folder per person, named as you like. Without --write the thresholds are only printed."
    )]
    Calibrate {
        /// Folder with one folder of photos per person
        images: PathBuf,
        /// Write the thresholds into the pack's manifest (packs in a folder only)
        #[arg(long)]
        write: bool,
    },
    /// List, show, add and check model packs
    #[command(subcommand)]
    Models(Models),
    /// Measure how fast this machine is with the networks, and with photos of yours
    #[command(after_help = "Example: fusiform bench --layers ~/Pictures/*.jpg\n\n\
One thread; the peak is what one core reaches without touching memory.")]
    Bench(super::commands::bench::Bench),
    /// Say what this machine offers and whether catalogue and models are sound
    #[command(after_help = "Example: fusiform doctor")]
    Doctor,
    /// Serve the album's pages for your browser, and recognition for programs
    #[command(after_help = "Example: fusiform serve --listen 127.0.0.1:8000\n\n\
It answers to this machine only. Beyond it, as with --listen 0.0.0.0:8000, the pages need --password FILE, and --tls-cert and \
--tls-key keep keys and photos from being read on the way; programs need an API key anywhere (see fusiform key --help). Settings \
may also stand in the [serve] table of the settings file, or in FUSIFORM_LISTEN and the like.")]
    Serve(Serving),
    /// Make a service of the recognition server and print its API key
    #[command(after_help = "Example: fusiform key recognition\n\n\
The first key makes the vault, the encrypted file of enrolled people. A running server that had a vault takes new keys at once.")]
    Key {
        /// What the key is good for
        kind: KeyKind,
        /// Take this key, as another server had it
        #[arg(long, value_name = "UUID")]
        key: Option<uuid::Uuid>,
        #[command(flatten)]
        terms: KeyTerms,
    },
    /// The log of enrolments, identifications, exports and erasures
    #[command(subcommand)]
    Audit(Audit),
    /// Copy the vault, bring a copy back, change its key
    #[command(subcommand)]
    Vault(VaultVerb),
}

/// Where to serve, and what.
#[derive(Debug, ClapArgs)]
pub(crate) struct Serving {
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
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub(crate) keep_days: Option<u32>,
}

/// Where the people are.
#[derive(Debug, ClapArgs)]
pub(crate) struct FromCompreFace {
    /// Address of the server
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Its recognition service's API key, which this server will answer to as well
    #[arg(long, value_name = "UUID")]
    pub(crate) key: uuid::Uuid,
    #[command(flatten)]
    pub(crate) terms: KeyTerms,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Prove that no entry was altered, left out or cut off
    #[command(after_help = "Example: fusiform audit verify")]
    Verify,
    /// Print the entries; people are named by number, so erased ones leave no name
    #[command(after_help = "Example: fusiform audit list")]
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VaultVerb {
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
    /// Seal the vault with the key in another file; stop the server first
    #[command(after_help = "Example: fusiform vault rekey new.key\n\n\
The file is made with a new key if it is not there. Then point FUSIFORM_VAULT_KEY_FILE at it.")]
    Rekey {
        /// File with the new key, 64 hexadecimal digits
        file: PathBuf,
    },
}

/// What a service's key is good for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
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
pub(crate) enum Eval {
    /// Verification on Labeled Faces in the Wild, or any set of pairs in its form
    #[command(
        after_help = "Example: fusiform eval lfw --images lfw/images --pairs lfw/pairs.txt --svg det.svg"
    )]
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
        looking: Looking,
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
        /// Also write embeddings.npy, labels.npy and groups.npy there, for other programs to compare
        #[arg(long, value_name = "DIR")]
        export: Option<PathBuf>,
        /// Compare only like faces from this many on, as large albums do
        #[arg(long, value_name = "N")]
        exact_up_to: Option<usize>,
        #[command(flatten)]
        looking: Looking,
    },
    /// How much of a covered face can still be matched to it
    #[command(after_help = "Example: fusiform eval redact --images lfw/images")]
    Redact {
        /// Folder with one folder per person
        #[arg(long, value_name = "DIR")]
        images: PathBuf,
        #[command(flatten)]
        looking: Looking,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
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
