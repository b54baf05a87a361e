//! Whoever takes of the limits. Plain data.

use fusiform_gallery::Service;

/// Whoever takes of the limits: the service of a key, the album's pages, or another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Holder(i64);

impl Holder {
    /// The album's pages.
    pub(crate) const PAGES: Holder = Holder(-1);

    /// Immich's server.
    pub(crate) const IMMICH: Holder = Holder(-2);

    /// Nextcloud's app.
    pub(crate) const NEXTCLOUD: Holder = Holder(-3);

    /// Clients of DeepStack's routes while their form, which has the key, is read.
    pub(crate) const DEEPSTACK: Holder = Holder(-4);

    /// Strangers who have a link to some photos: they count as one key, however many they
    /// are.
    pub(crate) const VISITORS: Holder = Holder(-5);

    /// The events of Frigate's cameras.
    pub(crate) const FRIGATE: Holder = Holder(-6);

    /// Cameras that are looked at by the server itself.
    #[cfg(feature = "cameras")]
    pub(crate) const CAMERAS: Holder = Holder(-7);

    /// The service with this number; they are positive.
    pub(crate) const fn of_service(number: i64) -> Holder {
        Holder(number)
    }
}

impl From<Service> for Holder {
    fn from(service: Service) -> Holder {
        Holder::of_service(service.id)
    }
}
