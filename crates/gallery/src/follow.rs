//! A gallery that several servers share. In: what others changed in the store. Out: the same in
//! memory. Everybody who answers asks first whether something changed ([`Gallery::catch_up`]); a
//! thread takes changes in as they are announced, so that little is left to do then.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::aside::Aside;
use crate::columns::{Columns, NewColumn};
use crate::error::Error;
use crate::gallery::Gallery;
use crate::read::{Read, published};
use crate::store::{Change, ServerSeen, StoredExample};

/// How often is asked though nothing was announced, and reported to the other servers.
const ASK_EVERY: Duration = Duration::from_millis(500);

impl Gallery {
    /// Whether other processes may change the gallery at the same time.
    pub fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    /// Takes in what other processes changed; `false` if nothing can have been. What was
    /// acknowledged anywhere before this was called is known when it returns.
    ///
    /// # Errors
    /// [`Error::Unreachable`]; [`Error::Model`] if another pack is in use there;
    /// [`Error::WentBack`].
    pub fn catch_up(&self) -> Result<bool, Error> {
        if !self.is_shared() {
            return Ok(false);
        }
        let done = self.take_in_if_changed();
        let away = done.as_ref().err().map(ToString::to_string);
        if away.is_some() || self.away.load().is_some() {
            self.away.store(away.map(Arc::new));
        }
        done.map(|()| true)
    }

    fn take_in_if_changed(&self) -> Result<(), Error> {
        // Without the right to write, which a change that is under way here holds.
        if !self.store.has_changes()? {
            return Ok(());
        }
        let _writing = self.writing();
        self.take_in_changes()
    }

    /// Starts a thread that takes changes in as they are announced, and tells the other servers
    /// how far this one is, until the gallery is dropped. Does nothing for one that is not shared.
    /// `failed` is told when it does not work, and when it works again.
    pub fn follow(self: &Arc<Self>, failed: impl Fn(Option<&Error>) + Send + 'static) {
        if !self.is_shared() {
            return;
        }
        let gallery: Weak<Gallery> = Arc::downgrade(self);
        let run = move || {
            let mut is_failing = false;
            while let Some(gallery) = gallery.upgrade() {
                gallery.store.wait_for_change(ASK_EVERY);
                let done = gallery.catch_up().and_then(|_| gallery.store.report());
                match &done {
                    Ok(()) if is_failing => failed(None),
                    Err(why) if !is_failing => failed(Some(why)),
                    _ => {}
                }
                is_failing = done.is_err();
                if is_failing {
                    std::thread::sleep(ASK_EVERY);
                }
            }
        };
        // Without the thread each request takes in what was changed before it.
        drop(std::thread::Builder::new().name("follow".into()).spawn(run));
    }

    /// The servers of a shared gallery, and how far each is behind.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub fn servers(&self) -> Result<Vec<ServerSeen>, Error> {
        self.store.servers()
    }

    /// Needs what [`Gallery::writing`] returns.
    pub(crate) fn take_in_changes(&self) -> Result<(), Error> {
        let mut changed: BTreeMap<i64, Columns> = BTreeMap::new();
        let mut aside = BTreeMap::clone(&self.aside.load());
        let is_whole = self.store.changes(&mut |change| match change {
            Change::Services => self.read_services(),
            Change::Person { service, person } => {
                self.changing(&mut changed, service).set_person(person);
                Ok(())
            }
            Change::NoPerson(number) => {
                aside.retain(|_, kept: &mut Aside| kept.person != number);
                match self.service_of(&changed, number) {
                    Some(service) => self
                        .changing(&mut changed, service)
                        .remove_people(&[number]),
                    None => Ok(()),
                }
            }
            Change::NoExample(id) => {
                aside.remove(&id);
                self.remove_changed(&mut changed, &id)
            }
            Change::Example(example) => {
                aside.remove(&example.id);
                self.remove_changed(&mut changed, &example.id)?;
                let Some(service) = self.service_of(&changed, example.person) else {
                    return Err(Error::Damaged);
                };
                if example.aside {
                    aside.insert(example.id, Aside::of(service, example));
                    return Ok(());
                }
                self.add_changed(&mut changed, service, example)
            }
        })?;
        if !is_whole {
            return self.read_all();
        }
        let collections = self.collections.load();
        for (service, columns) in changed {
            if let Some(published) = collections.get(&service) {
                published.store(Arc::new(columns));
            }
        }
        if aside != **self.aside.load() {
            self.aside.store(Arc::new(aside));
        }
        Ok(())
    }

    /// Reads everything again.
    fn read_all(&self) -> Result<(), Error> {
        let done = self.try_read_all();
        if done.is_err() {
            self.store.forget_taken_in();
        }
        done
    }

    fn try_read_all(&self) -> Result<(), Error> {
        let in_database = self.search_in.is_database();
        let read = Read::all(&*self.store, self.model.as_deref(), in_database)?;
        self.aside.store(Arc::new(read.aside));
        self.collections
            .store(Arc::new(published(read.collections)));
        self.read_services()
    }

    /// A service's columns, to be changed.
    fn changing<'a>(
        &self,
        changed: &'a mut BTreeMap<i64, Columns>,
        service: i64,
    ) -> &'a mut Columns {
        changed.entry(service).or_insert_with(|| {
            let collections = self.collections.load();
            let columns = collections.get(&service).map(|c| c.load());
            columns.map_or_else(|| self.no_columns(), |columns| Columns::clone(&columns))
        })
    }

    /// The service of a person, as far as memory knows.
    fn service_of(&self, changed: &BTreeMap<i64, Columns>, number: i64) -> Option<i64> {
        let collections = self.collections.load();
        let mut services = collections.iter();
        let found = services.find(|(id, columns)| match changed.get(id) {
            Some(columns) => columns.person(number).is_some(),
            None => columns.load().person(number).is_some(),
        });
        found.map(|(id, _)| *id)
    }

    fn remove_changed(
        &self,
        changed: &mut BTreeMap<i64, Columns>,
        id: &uuid::Uuid,
    ) -> Result<(), Error> {
        let collections = self.collections.load();
        for (service, columns) in collections.iter() {
            let has = match changed.get(service) {
                Some(columns) => columns.has_example(id),
                None => columns.load().has_example(id),
            };
            if has {
                return self.changing(changed, *service).remove_example(id);
            }
        }
        Ok(())
    }

    fn add_changed(
        &self,
        changed: &mut BTreeMap<i64, Columns>,
        service: i64,
        example: StoredExample,
    ) -> Result<(), Error> {
        let Some(model) = &self.model else {
            return Ok(());
        };
        let column = NewColumn::of(example, model)?;
        let columns = self.changing(changed, service);
        columns.add_example(column.id, column.person, &column.vector, column.consent)
    }
}
