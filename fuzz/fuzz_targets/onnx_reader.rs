//! Any bytes as a model: an error or a model, never a panic, never more than the limits allow.
#![no_main]

use fusiform_nn::{Dim, Limits, Model, Session, Tensor};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_tensor_elements: 1 << 16, max_nodes: 200, ..Limits::default() };
    let Ok(model) = Model::from_bytes(bytes, &limits) else { return };
    let Ok(session) = Session::new(model) else { return };
    let side = |dim: &Dim| if let Dim::Fixed(n) = dim { (*n).min(8) } else { 5 };
    let feeds: Vec<(String, Tensor)> = session
        .inputs()
        .iter()
        .filter_map(|port| {
            let shape: Vec<usize> = port.shape.iter().take(5).map(side).collect();
            let n = shape.iter().product();
            Some((port.name.clone(), Tensor::new(shape, vec![0.5; n]).ok()?))
        })
        .collect();
    let inputs: Vec<(&str, &Tensor)> = feeds.iter().map(|(name, t)| (&**name, t)).collect();
    let _ = session.run(&inputs);
});
