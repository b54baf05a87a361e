//! A network at its stage of the pipeline. In: images. Out: named outputs with checked lengths.
//! Knows nothing of what the numbers mean.

use crate::Error;
use crate::backend::{ImageInput, Network, Output};

/// A network with one input, and the stage of the pipeline that its errors name.
pub(crate) struct Stage {
    network: Box<dyn Network>,
    name: &'static str,
}

/// The outputs of one run, in the order of the model file.
pub(crate) struct Outputs {
    outputs: Vec<Output>,
    stage: &'static str,
}

impl Stage {
    pub(crate) fn new(network: Box<dyn Network>, name: &'static str) -> Result<Stage, Error> {
        if network.inputs().len() != 1 {
            let names: Vec<&str> = network.inputs().iter().map(|p| p.name.as_str()).collect();
            let what = format!("the network has inputs {names:?} and should have one");
            return Err(Error::Contract { stage: name, what });
        }
        Ok(Stage { network, name })
    }

    /// Runs a batch of images of one canvas.
    pub(crate) fn run(&self, images: &[ImageInput]) -> Result<Outputs, Error> {
        let stage = self.name;
        let outputs = self.network.run_images(images);
        let outputs = outputs.map_err(|source| Error::Network { stage, source })?;
        Ok(Outputs { outputs, stage })
    }
}

impl Outputs {
    #[cfg(test)]
    pub(crate) fn new(named: Vec<(String, Vec<f32>)>) -> Outputs {
        let output = |(name, values): (String, Vec<f32>)| Output {
            name,
            shape: vec![values.len()],
            values,
        };
        Outputs {
            outputs: named.into_iter().map(output).collect(),
            stage: "detector",
        }
    }

    /// How many outputs there are.
    pub(crate) fn len(&self) -> usize {
        self.outputs.len()
    }

    /// Whether there is an output of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.outputs.iter().any(|output| output.name == name)
    }

    /// The values of a named output, which must be this many.
    pub(crate) fn named(&self, name: &str, length: usize) -> Result<&[f32], Error> {
        let Some(index) = self.outputs.iter().position(|o| o.name == name) else {
            let names: Vec<&str> = self.outputs.iter().map(|o| o.name.as_str()).collect();
            let what = format!("output {name:?} is missing among {names:?}");
            return Err(Error::Contract {
                stage: self.stage,
                what,
            });
        };
        self.nth(index, length)
    }

    /// The values of an output by its index, which must be this many.
    pub(crate) fn nth(&self, index: usize, length: usize) -> Result<&[f32], Error> {
        let wrong = |what| {
            Err(Error::Contract {
                stage: self.stage,
                what,
            })
        };
        match self.outputs.get(index) {
            Some(output) if output.values.len() == length => Ok(&output.values),
            Some(output) => wrong(format!(
                "output {:?} has {} values and should have {length}",
                output.name,
                output.values.len()
            )),
            None => wrong(format!(
                "output number {} is missing, there are {}",
                index + 1,
                self.outputs.len()
            )),
        }
    }
}
