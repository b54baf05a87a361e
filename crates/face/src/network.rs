//! The one place that runs networks. In: photos. Out: named outputs with checked lengths.
//! Knows nothing of what the numbers mean.

use fusiform_nn::{RgbInput, Session};

use crate::Error;

/// A session with one input, and whose stage of the pipeline it is.
pub(crate) struct Network {
    session: Session,
    input: String,
    stage: &'static str,
}

/// The outputs of one run, in the order of the model file.
pub(crate) struct Outputs {
    ports: Vec<(String, Vec<f32>)>,
    stage: &'static str,
}

impl Network {
    pub(crate) fn new(session: Session, stage: &'static str) -> Result<Network, Error> {
        let input = match session.inputs() {
            [only] => only.name.clone(),
            inputs => {
                let names: Vec<&str> = inputs.iter().map(|p| p.name.as_str()).collect();
                let what = format!("the network has inputs {names:?} and should have one");
                return Err(Error::Contract { stage, what });
            }
        };
        Ok(Network {
            session,
            input,
            stage,
        })
    }

    /// Runs a batch of photos of one canvas.
    pub(crate) fn run(&self, photos: &[RgbInput]) -> Result<Outputs, Error> {
        let failed = |source: fusiform_nn::Error| Error::Network {
            stage: self.stage,
            source,
        };
        let outputs = self
            .session
            .run_images(&self.input, photos)
            .map_err(failed)?;
        let ports = outputs
            .into_iter()
            .map(|(name, t)| (name, t.into_data()))
            .collect();
        Ok(Outputs {
            ports,
            stage: self.stage,
        })
    }
}

impl Outputs {
    #[cfg(test)]
    pub(crate) fn new(ports: Vec<(String, Vec<f32>)>) -> Outputs {
        Outputs {
            ports,
            stage: "detector",
        }
    }

    /// How many outputs there are.
    pub(crate) fn len(&self) -> usize {
        self.ports.len()
    }

    /// The values of a named output, which must be this many.
    pub(crate) fn named(&self, name: &str, length: usize) -> Result<&[f32], Error> {
        let Some(index) = self.ports.iter().position(|(n, _)| n == name) else {
            let names: Vec<&str> = self.ports.iter().map(|(n, _)| n.as_str()).collect();
            let what = format!("output {name:?} is missing among {names:?}");
            return Err(Error::Contract {
                stage: self.stage,
                what,
            });
        };
        self.nth(index, length)
    }

    /// The values of an output by its place, which must be this many.
    pub(crate) fn nth(&self, index: usize, length: usize) -> Result<&[f32], Error> {
        let wrong = |what| {
            Err(Error::Contract {
                stage: self.stage,
                what,
            })
        };
        match self.ports.get(index) {
            Some((_, values)) if values.len() == length => Ok(values),
            Some((name, values)) => wrong(format!(
                "output {name:?} has {} values and should have {length}",
                values.len()
            )),
            None => wrong(format!(
                "output number {} is missing, there are {}",
                index + 1,
                self.ports.len()
            )),
        }
    }
}
