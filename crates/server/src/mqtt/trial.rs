//! One connection to a broker, to see whether it lets us in. In: settings, a password. Out:
//! nothing, or why it does not. Nothing is published, and nobody is thrown out: the name is another
//! one.

use std::time::Duration;

use rumqttc::{Event, MqttOptions, Outgoing, Packet};

use super::address::reached;
use super::connection::{client, reason};
use crate::settings::MqttSettings;

/// How long the broker may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to a broker once, says goodbye, and tells why it did not let us in if it did not.
///
/// # Errors
/// Why, in words for those who run a broker; an address or certificate that cannot be used.
pub fn try_broker(settings: &MqttSettings, password: Option<&str>) -> Result<(), String> {
    let trial = MqttSettings {
        client_id: format!("{}-trial", settings.client_id),
        ..settings.clone()
    };
    let address = reached(&trial, password).map_err(|why| format!("{why:#}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| why.to_string())?;
    runtime.block_on(async {
        // A task of its own: the library may panic on a packet that no broker sends.
        let connected = tokio::spawn(connect(address.options));
        match tokio::time::timeout(PATIENCE, connected).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(_)) => Err("it answers with what is no MQTT".into()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    })
}

async fn connect(options: MqttOptions) -> Result<(), String> {
    let (client, mut events) = client(options);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => drop(client.try_disconnect()),
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return Ok(()),
            Ok(_) => {}
            Err(why) => return Err(reason(&why)),
        }
    }
}
