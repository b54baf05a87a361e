//! The audit log: who did what, in a chain of keyed hashes. In: entries. Out: their stored form,
//! and the hash of each over itself and the hash before it, so that an altered or missing entry
//! shows. Entries name people by number: erasing a person leaves no name behind. Knows nothing of
//! databases.

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A service and its key were made, or removed where the count is -1.
    Key,
    /// A face was enrolled, or a person made with a stated consent where the count is 0.
    Enrol,
    /// A person was made on the key's own terms, as nobody stated a consent.
    Assume,
    /// A person got another consent.
    Consent,
    /// A person got another name.
    Rename,
    /// The examples of the person who is erased by the next entry were given to this one.
    Merge,
    /// Faces were compared with enrolled people.
    Identify,
    /// Two images were compared with each other.
    Compare,
    /// An enrolled image was handed out.
    Export,
    /// A person was erased on request; all of a service where no person is named.
    Erase,
    /// One example was erased on request; the person stays.
    EraseFace,
    /// A person was erased because the consent ended.
    Expire,
    /// One example was erased because its own consent ended; the person stays.
    ExpireFace,
    /// An example was embedded anew by another model.
    Reembed,
    /// An example that cannot be embedded anew was set aside: kept, but not matched.
    SetAside,
    /// A backup was written.
    Backup,
    /// The store was made from a copy.
    Restore,
    /// The key that seals the store was changed.
    Rekey,
    /// A file of an earlier version was sealed anew.
    Upgrade,
    /// Somebody decided to go on with a log or with rows that were altered; the count is the first
    /// entry that is no longer proved.
    Accept,
    /// Entries older than the log is to be were removed; the count is how many.
    Prune,
    /// Somebody said that the system's clock is right.
    TrustClock,
    /// A service got another key; the count is the key's number.
    AddKey,
    /// A key was taken back; the count is its number.
    RevokeKey,
}

const ACTIONS: [(Action, &str); 24] = [
    (Action::Key, "key"),
    (Action::Enrol, "enrol"),
    (Action::Assume, "assume"),
    (Action::Consent, "consent"),
    (Action::Rename, "rename"),
    (Action::Merge, "merge"),
    (Action::Identify, "identify"),
    (Action::Compare, "compare"),
    (Action::Export, "export"),
    (Action::Erase, "erase"),
    (Action::EraseFace, "erase-face"),
    (Action::Expire, "expire"),
    (Action::ExpireFace, "expire-face"),
    (Action::Reembed, "reembed"),
    (Action::SetAside, "set-aside"),
    (Action::Backup, "backup"),
    (Action::Restore, "restore"),
    (Action::Rekey, "rekey"),
    (Action::Upgrade, "upgrade"),
    (Action::Accept, "accept"),
    (Action::Prune, "prune"),
    (Action::TrustClock, "trust-clock"),
    (Action::AddKey, "add-key"),
    (Action::RevokeKey, "revoke-key"),
];

impl Action {
    /// The word that stands for it.
    pub fn name(self) -> &'static str {
        ACTIONS
            .iter()
            .find(|(a, _)| *a == self)
            .map_or("", |(_, n)| n)
    }
}

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its position in the chain, from 1.
    pub seq: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What.
    pub action: Action,
    /// The service whose key was used; 0 if none was.
    pub service: i64,
    /// The person's number; 0 if there is not one person.
    pub subject: i64,
    /// How many faces or examples.
    pub count: i64,
    /// Its hash, over itself and all entries before it.
    pub hash: [u8; 32],
}

/// What the chain proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Entries that are proved, none altered or missing.
    pub n_entries: i64,
    /// Position of the first of them: 1, unless earlier ones were removed or given up.
    pub first: i64,
    /// The newest entry's hash, in hexadecimal. Noted elsewhere, it shows later whether the whole
    /// file was put back to an older state.
    pub newest: String,
}

/// The key of a chain.
pub(crate) struct Chain {
    pub(crate) key: [u8; 32],
}

impl Chain {
    /// Hash of an entry, `stored` as it is in the store, after one with the hash `before`.
    pub(crate) fn hash(&self, before: &[u8], seq: i64, at_ms: i64, stored: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(before);
        hasher.update(&seq.to_le_bytes());
        hasher.update(&at_ms.to_le_bytes());
        hasher.update(stored);
        *hasher.finalize().as_bytes()
    }
}

impl Entry {
    /// What an entry states, as it is stored, before any sealing.
    pub(crate) fn text(action: Action, service: i64, subject: i64, count: i64) -> String {
        format!("{} {service} {subject} {count}", action.name())
    }

    pub(crate) fn parse(seq: i64, at_ms: i64, text: &[u8], hash: [u8; 32]) -> Option<Entry> {
        let mut words = std::str::from_utf8(text).ok()?.split(' ');
        let name = words.next()?;
        let (action, _) = ACTIONS.iter().find(|(_, n)| *n == name)?;
        let mut number = || words.next()?.parse().ok();
        Some(Entry {
            seq,
            at_ms,
            action: *action,
            service: number()?,
            subject: number()?,
            count: number()?,
            hash,
        })
    }
}
