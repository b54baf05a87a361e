//! The connection to the broker. In: an [`Outbox`], whoever listens. Out: messages, sent and heard,
//! over one connection after another, with growing pauses between them.
//!
//! The client library is driven here alone. It may panic on a packet that no broker sends, so it
//! runs in a task of its own, and what it was sending is in the [`Outbox`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, NetworkOptions, Outgoing, Packet,
    Publish, QoS, StateError, SubAck, SubscribeFilter, SubscribeReasonCode,
};
use tokio::sync::watch;

use super::address::MAX_PACKET_BYTES;
use super::backoff::Backoff;
use super::counts::Counts;
use super::outbox::Outbox;
use super::status::Status;

/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A connection that held for so long has ended the row of failures.
const STEADY: Duration = Duration::from_secs(30);
/// How long the last messages may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(3);
/// Requests that the library holds; more than [`Outbox`] hands over.
const REQUESTS: usize = 256;
const CONNECT_TIMEOUT_S: u64 = 10;
/// How long after the connection the messages that the broker kept are read for what is old.
const SWEEP: Duration = Duration::from_secs(10);

/// Whoever takes what the broker sends. Nothing may block.
pub(super) trait Listener: Send + Sync + 'static {
    /// What to listen to all the time.
    fn topics(&self) -> Vec<String>;
    /// What to listen to for what the broker has kept.
    fn kept_topics(&self) -> Vec<String>;
    /// There is a new connection.
    fn connected(&self);
    /// The last words, before the connection is ended in order.
    fn farewell(&self);
    /// A message; `kept` if the broker had it from before.
    fn hear(&self, topic: &str, payload: Bytes, kept: bool);
}

/// All that a connection works with.
pub(super) struct Connection<L> {
    pub(super) options: MqttOptions,
    pub(super) outbox: Arc<Outbox>,
    pub(super) listener: Arc<L>,
    pub(super) status: Arc<Status>,
    pub(super) counts: Arc<Counts>,
}

impl<L: Listener> Connection<L> {
    /// Connects again and again until `stop` is true and the last messages have gone.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let this = Arc::new(self);
        let mut backoff = Backoff::new(LONGEST_PAUSE);
        loop {
            let begun = Instant::now();
            let session = tokio::spawn(Arc::clone(&this).session(stop.clone()));
            let why = match session.await {
                Ok(None) => return,
                Ok(Some(why)) => why,
                Err(_) => "the client stopped at a packet that is none".into(),
            };
            this.outbox.unsent();
            this.counts.connected(false);
            this.status.broker_is_away(&why);
            if *stop.borrow() {
                return;
            }
            if begun.elapsed() >= STEADY {
                backoff.reset();
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.pause()) => {}
                _ = stop.changed() => return,
            }
        }
    }

    /// One connection, to its end: why it ended, or `None` if the server stops.
    async fn session(self: Arc<Self>, mut stop: watch::Receiver<bool>) -> Option<String> {
        let (client, mut events) = client(self.options.clone());
        let mut link = Link::default();
        loop {
            // The library's wait is never broken off, which could lose a part of a packet; what is
            // to be sent is handed over beside it.
            let polled = events.poll();
            tokio::pin!(polled);
            let event = loop {
                if link.is_connected {
                    self.hand_over(&client);
                }
                if link.farewell.is_some() && !link.is_leaving && self.outbox.is_empty() {
                    link.is_leaving = true;
                    drop(client.try_disconnect());
                }
                tokio::select! {
                    biased;
                    () = until(link.sweep_ends) => {
                        link.sweep_ends = None;
                        let topics = self.listener.kept_topics();
                        topics.into_iter().for_each(|t| drop(client.try_unsubscribe(t)));
                    }
                    () = until(link.farewell) => return None,
                    _ = stop.wait_for(|stop| *stop), if link.farewell.is_none() => {
                        if !link.is_connected {
                            return None;
                        }
                        link.farewell = Some(Instant::now() + FAREWELL);
                        self.listener.farewell();
                    }
                    event = &mut polled => break event,
                    () = self.outbox.added(), if link.is_connected => {}
                }
            };
            match event {
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return None,
                Ok(event) => {
                    if let Err(why) = self.take(&client, &mut link, event) {
                        return Some(why);
                    }
                }
                Err(_) if link.farewell.is_some() => return None,
                Err(why) => return Some(reason(&why)),
            }
        }
    }

    fn hand_over(&self, client: &AsyncClient) {
        while let Some(message) = self.outbox.hand_over() {
            let qos = match message.confirmed {
                true => QoS::AtLeastOnce,
                false => QoS::AtMostOnce,
            };
            let (topic, payload) = (message.topic, Vec::from(message.payload));
            if client
                .try_publish(topic, qos, message.retain, payload)
                .is_err()
            {
                // Our topics are valid and the library has room: there is no such case.
                self.outbox.sent(0);
            }
        }
    }

    /// What the library tells; an error ends the connection.
    fn take(&self, client: &AsyncClient, link: &mut Link, event: Event) -> Result<(), String> {
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                link.is_connected = true;
                link.sweep_ends = Some(Instant::now() + SWEEP);
                for topics in [self.listener.topics(), self.listener.kept_topics()] {
                    let filter = |path| SubscribeFilter::new(path, QoS::AtLeastOnce);
                    let filters = topics.into_iter().map(filter);
                    let asked = client.try_subscribe_many(filters);
                    asked.map_err(|_| "the names of its topics are none".to_owned())?;
                }
                self.counts.connected(true);
                self.status.broker_is_there();
                self.listener.connected();
            }
            Event::Incoming(Packet::SubAck(SubAck { return_codes, .. })) => {
                let refused = return_codes.contains(&SubscribeReasonCode::Failure);
                // The first answer is about the topics without which there is nothing to do.
                if refused && !link.is_listening {
                    return Err("it refuses to let this user read Frigate's topics".into());
                }
                if refused {
                    tracing::warn!("mqtt: the broker does not let us read what it has kept of us");
                }
                link.is_listening = true;
            }
            Event::Incoming(Packet::Publish(heard)) => {
                let Publish { topic, retain, .. } = &heard;
                self.listener.hear(topic, heard.payload.clone(), *retain);
            }
            Event::Incoming(Packet::PubAck(confirmed)) => self.outbox.confirmed(confirmed.pkid),
            Event::Outgoing(Outgoing::Publish(number)) => self.outbox.sent(number),
            _ => {}
        }
        Ok(())
    }
}

/// A client, and what drives it; nothing is connected yet.
pub(super) fn client(options: MqttOptions) -> (AsyncClient, EventLoop) {
    let (client, mut events) = AsyncClient::new(options, REQUESTS);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_TIMEOUT_S);
    events.set_network_options(network);
    (client, events)
}

/// What is known of a connection.
#[derive(Debug, Default)]
struct Link {
    is_connected: bool,
    is_listening: bool,
    sweep_ends: Option<Instant>,
    /// When to go, whatever is left to say.
    farewell: Option<Instant>,
    is_leaving: bool,
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Why a connection ended, in words for those who run a broker.
pub(super) fn reason(error: &ConnectionError) -> String {
    use rumqttc::ConnectReturnCode as Code;
    use rumqttc::mqttbytes::Error as Bytes;
    match error {
        ConnectionError::ConnectionRefused(Code::BadUserNamePassword) => {
            "it refuses user and password".into()
        }
        ConnectionError::ConnectionRefused(Code::NotAuthorized) => "it refuses this user".into(),
        ConnectionError::ConnectionRefused(code) => format!("it refuses: {code:?}"),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            format!("no answer within {CONNECT_TIMEOUT_S} s")
        }
        ConnectionError::MqttState(StateError::Deserialization(
            Bytes::PayloadSizeLimitExceeded(n),
        )) => format!("it sends a message of {n} bytes, and {MAX_PACKET_BYTES} are taken"),
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            "it closed the connection".into()
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => "it fell silent".into(),
        ConnectionError::MqttState(StateError::Io(why)) | ConnectionError::Io(why) => {
            why.to_string()
        }
        other => other.to_string(),
    }
}
