//! Which connections are open. In: addresses. Out: leave to be one of them, and who gives way. A
//! connection that waits gives way to a new one: first those that have never sent a whole request,
//! the oldest of them first, so that half-open ones never keep anybody out; then those kept for the
//! next request. Those that are being answered stay.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::attempts::network;

/// All open connections.
#[derive(Debug)]
pub(crate) struct OpenConnections {
    max_open: usize,
    max_of_address: usize,
    table: Mutex<Table>,
    /// Told whenever one ends or becomes idle.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    next_id: u64,
    /// Grows with each change of a connection.
    clock: u64,
    by_id: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    /// Since when it waits for a request; `None` while it is answered.
    idle_since: Option<u64>,
    /// Whether a request came over it.
    was_asked: bool,
    close: Arc<Notify>,
}

/// One open connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    all: Arc<OpenConnections>,
    id: u64,
    /// Told when it has to give way.
    pub(crate) close: Arc<Notify>,
}

impl OpenConnections {
    pub(crate) fn new(max_open: usize, max_of_address: usize) -> Arc<OpenConnections> {
        Arc::new(OpenConnections {
            max_open,
            max_of_address,
            table: Mutex::default(),
            changed: Notify::new(),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new connection in, once there is room; `None` if its address has too many, all of
    /// them being answered. `is_proxy` has no limit for its address.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        address: IpAddr,
        is_proxy: bool,
    ) -> Option<OpenConnection> {
        let address = network(address);
        loop {
            let changed = self.changed.notified();
            {
                let mut table = self.table();
                let of_address = table.by_id.values().filter(|e| e.address == address);
                if !is_proxy
                    && of_address.count() >= self.max_of_address
                    && !table.give_way(|entry| entry.address == address)
                {
                    return None;
                }
                if table.by_id.len() < self.max_open || table.give_way(|_| true) {
                    return Some(table.add(self, address));
                }
            }
            changed.await;
        }
    }
}

impl Table {
    /// Closes the connection that has waited for longest, of those that count and were never asked
    /// if there are any.
    fn give_way(&mut self, counts: impl Fn(&Entry) -> bool) -> bool {
        let idle = self.by_id.iter().filter(|(_, entry)| counts(entry));
        let idle = idle.filter_map(|(id, e)| Some((e.was_asked, e.idle_since?, *id)));
        let Some((.., oldest)) = idle.min() else {
            return false;
        };
        if let Some(entry) = self.by_id.remove(&oldest) {
            entry.close.notify_one();
        }
        true
    }

    fn add(&mut self, all: &Arc<OpenConnections>, address: IpAddr) -> OpenConnection {
        let (id, close) = (self.next_id, Arc::new(Notify::new()));
        self.next_id += 1;
        self.clock += 1;
        let entry = Entry {
            address,
            idle_since: Some(self.clock),
            was_asked: false,
            close: Arc::clone(&close),
        };
        self.by_id.insert(id, entry);
        OpenConnection {
            all: Arc::clone(all),
            id,
            close,
        }
    }
}

impl OpenConnection {
    /// It is being answered from now on, or waits for a request.
    pub(crate) fn set_answering(&self, answering: bool) {
        let mut table = self.all.table();
        table.clock += 1;
        let now = table.clock;
        if let Some(entry) = table.by_id.get_mut(&self.id) {
            entry.idle_since = (!answering).then_some(now);
            entry.was_asked = true;
        }
        drop(table);
        if !answering {
            self.all.changed.notify_one();
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.all.table().by_id.remove(&self.id);
        self.all.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    async fn is_closed(connection: &OpenConnection) -> bool {
        let closed = connection.close.notified();
        tokio::time::timeout(Duration::from_millis(10), closed)
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn the_oldest_half_open_one_gives_way() {
        let all = OpenConnections::new(3, 2);
        let first = all.enter(address(1), false).await.unwrap();
        let second = all.enter(address(1), false).await.unwrap();
        let third = all.enter(address(1), false).await.unwrap();
        assert!(is_closed(&first).await && !is_closed(&second).await);
        let other = all.enter(address(2), false).await.unwrap();
        let more = all.enter(address(2), false).await.unwrap();
        assert!(is_closed(&second).await && !is_closed(&third).await);
        drop((other, more, first));
        assert_eq!(all.table().by_id.len(), 1);
    }

    #[tokio::test]
    async fn one_that_was_asked_before_gives_way_last() {
        let all = OpenConnections::new(2, 2);
        let kept = all.enter(address(1), false).await.unwrap();
        kept.set_answering(true);
        kept.set_answering(false);
        let half_open = all.enter(address(1), false).await.unwrap();
        let _new = all.enter(address(1), false).await.unwrap();
        assert!(is_closed(&half_open).await && !is_closed(&kept).await);
    }

    #[tokio::test]
    async fn what_is_being_answered_stays_and_the_others_wait() {
        let all = OpenConnections::new(2, 1);
        let first = all.enter(address(1), false).await.unwrap();
        first.set_answering(true);
        assert!(
            all.enter(address(1), false).await.is_none(),
            "too many of one address"
        );
        let proxied = all.enter(address(1), true).await.unwrap();
        proxied.set_answering(true);
        let waits = all.enter(address(3), false);
        assert!(
            tokio::time::timeout(Duration::from_millis(20), waits)
                .await
                .is_err()
        );
        let waits = all.enter(address(3), false);
        let (entered, ()) = futures_util::future::join(waits, async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            first.set_answering(false);
        })
        .await;
        assert!(entered.is_some() && is_closed(&first).await);
        assert!(!is_closed(&proxied).await);
    }
}
