//! Notices of other servers. In: `NOTIFY fusiform`. Out: that one came, for whoever waits. A notice
//! only says that it is worth to look: one that is missed costs time and nothing else.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::tokio_postgres::AsyncMessage;
use futures_util::{StreamExt, stream};

use super::connections::Connections;

/// The pause before another connection is tried.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Bell {
    rang: Mutex<bool>,
    ringing: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rang.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ringing.notify_all();
    }
}

/// A connection that listens.
pub(super) struct Listener {
    bell: Arc<Bell>,
}

impl Listener {
    pub(super) fn start(connections: &Connections) -> Listener {
        let bell = Arc::new(Bell::default());
        let rung = Arc::clone(&bell);
        let (config, tls) = connections.maker();
        connections.spawn(async move {
            loop {
                if let Ok((client, mut connection)) = config.connect(tls.clone()).await {
                    let ring = Arc::clone(&rung);
                    let messages = stream::poll_fn(move |cx| connection.poll_message(cx));
                    let heard = messages.for_each(|message| {
                        if let Ok(AsyncMessage::Notification(_)) = message {
                            ring.ring();
                        }
                        std::future::ready(())
                    });
                    let asked = async {
                        let done = client.batch_execute("LISTEN fusiform").await;
                        if done.is_ok() {
                            // What came before it began to listen.
                            rung.ring();
                            std::future::pending::<()>().await;
                        }
                    };
                    tokio::select! { () = heard => {}, () = asked => {} }
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Listener { bell }
    }

    /// Waits for a notice, or for this long.
    pub(super) fn wait(&self, timeout: Duration) {
        let rang = self
            .bell
            .rang
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let ringing = &self.bell.ringing;
        let waited = ringing.wait_timeout_while(rang, timeout, |rang| !*rang);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}
