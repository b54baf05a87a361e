//! Untrusted models: truncated, mutated, contradictory. In: damaged golden models. Out: errors,
//! never a panic.

#[path = "golden_cases/cases.rs"]
mod cases;

use std::panic::catch_unwind;

use cases::{Case, read_cases};
use fusiform_nn::{ErrorKind, Limits, Model, Session, Tensor};

fn limits() -> Limits {
    Limits {
        max_tensor_elements: 1 << 20,
        ..Limits::default()
    }
}

/// Loads and runs; panics only if the runtime does.
fn try_all(bytes: &[u8], inputs: &[(String, Tensor)]) -> Result<(), fusiform_nn::Error> {
    let session = Session::new(Model::from_bytes(bytes, &limits())?)?;
    let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(n, t)| (&**n, t)).collect();
    session.run(&inputs).map(drop)
}

fn case(name: &str) -> Case {
    let case = read_cases().into_iter().find(|c| c.name == name).unwrap();
    assert!(!case.outputs.is_empty(), "the undamaged model runs");
    case
}

#[test]
fn a_model_cut_at_any_byte_is_an_error_or_a_smaller_model() {
    for name in ["conv, bn, prelu", "slice", "half weights"] {
        let case = case(name);
        let mut refused = 0;
        for end in 0..case.model.len() {
            refused += usize::from(try_all(&case.model[..end], &case.inputs).is_err());
        }
        assert!(
            refused > case.model.len() * 9 / 10,
            "{name}: {refused} of {}",
            case.model.len()
        );
    }
}

#[test]
fn thousands_of_changed_models_never_panic() {
    // A small linear congruential generator keeps the run the same everywhere.
    let mut state = 12345u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for case in read_cases() {
        for _ in 0..2000 {
            let mut bytes = case.model.clone();
            for _ in 0..1 + random(4) {
                let at = random(bytes.len());
                bytes[at] = match random(3) {
                    0 => random(256) as u8,
                    1 => bytes[at] ^ (1 << random(8)),
                    _ => [0, 1, 0x7f, 0x80, 0xff][random(5)],
                };
            }
            let kept = bytes.clone();
            let ran = catch_unwind(|| drop(try_all(&bytes, &case.inputs)));
            assert!(ran.is_ok(), "{} panics on {kept:02x?}", case.name);
        }
    }
}

#[test]
fn wrong_inputs_name_what_is_wanted() {
    let case = case("conv 3x3");
    let session = Session::new(Model::from_bytes(&case.model, &limits()).unwrap()).unwrap();
    let good = &case.inputs[0].1;
    let missing = session.run(&[]).unwrap_err();
    assert!(
        missing.to_string().contains("\"x\" is missing"),
        "{missing}"
    );
    let unknown = session.run(&[("z", good)]).unwrap_err();
    assert!(unknown.to_string().contains("\"z\"") && unknown.to_string().contains("\"x\""));
    let wrong = Tensor::new(vec![1, 4, 9, 9], vec![0.0; 4 * 81]).unwrap();
    let error = session.run(&[("x", &wrong)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
    let text = error.to_string();
    assert!(
        text.contains("Conv") && text.contains("[1, 4, 9, 9]"),
        "{text}"
    );
    let nan = Tensor::new(good.shape().to_vec(), vec![f32::NAN; good.data().len()]).unwrap();
    assert!(session.run(&[("x", &nan)]).is_ok());
}

/// A field of a message: number, wire type 2, content.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut n = content.len();
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
    bytes.extend(content);
    bytes
}

fn node(op: &str, input: &str, output: &str) -> Vec<u8> {
    let parts = [
        field(1, input.as_bytes()),
        field(2, output.as_bytes()),
        field(3, b"the node"),
        field(4, op.as_bytes()),
    ];
    field(1, &parts.concat())
}

fn model(graph: &[Vec<u8>]) -> Vec<u8> {
    let ports = [field(11, &field(1, b"x")), field(12, &field(1, b"y"))].concat();
    field(7, &[graph.concat(), ports].concat())
}

#[track_caller]
fn refused(bytes: &[u8], kind: ErrorKind, words: &[&str]) {
    let error = Model::from_bytes(bytes, &limits()).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(words.iter().all(|w| text.contains(w)), "{text}");
}

#[test]
fn an_unknown_operator_a_cycle_and_a_missing_output_are_named() {
    refused(
        &model(&[node("Einsum", "x", "y")]),
        ErrorKind::Unsupported,
        &["the node", "Einsum", "not covered"],
    );
    let cycle = [
        node("Relu", "b", "a"),
        node("Relu", "a", "b"),
        node("Relu", "b", "y"),
    ];
    refused(
        &model(&cycle),
        ErrorKind::Malformed,
        &["the node", "\"b\"", "cycle"],
    );
    refused(
        &model(&[node("Relu", "x", "z")]),
        ErrorKind::Malformed,
        &["\"y\""],
    );
    let twice = [node("Relu", "x", "y"), node("Relu", "x", "y")];
    refused(&model(&twice), ErrorKind::Malformed, &["computed twice"]);
    refused(b"GIF89a", ErrorKind::Malformed, &[]);
    refused(&[], ErrorKind::Malformed, &["no graph"]);
}

#[test]
fn an_enormous_tensor_in_thirty_bytes_is_refused_before_it_is_made() {
    // dims [2^40], float: the claim alone must be enough to refuse it.
    let tensor = [
        vec![0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20],
        vec![0x10, 1],
        field(8, b"w"),
    ]
    .concat();
    let bytes = model(&[field(5, &tensor), node("Relu", "x", "y")]);
    refused(&bytes, ErrorKind::TooLarge, &["\"w\"", "1099511627776"]);
    let small = Limits {
        max_model_bytes: 10,
        ..Limits::default()
    };
    assert_eq!(
        Model::from_bytes(&bytes, &small).unwrap_err().kind(),
        ErrorKind::TooLarge
    );
    let none = Limits {
        max_nodes: 0,
        ..Limits::default()
    };
    let one = model(&[node("Relu", "x", "y")]);
    assert_eq!(
        Model::from_bytes(&one, &none).unwrap_err().kind(),
        ErrorKind::TooLarge
    );
}

#[test]
fn a_missing_and_a_truncated_file_are_named_with_their_path() {
    let path = std::env::temp_dir().join(format!("nn-hostile-test-{}.onnx", std::process::id()));
    let missing = Model::open(&path, &limits()).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Read);
    let case = case("conv 3x3");
    std::fs::write(&path, &case.model[..case.model.len() / 2]).unwrap();
    let truncated = Model::open(&path, &limits()).unwrap_err();
    std::fs::write(&path, &case.model).unwrap();
    let whole = Model::open(&path, &limits());
    std::fs::remove_file(&path).unwrap();
    assert_eq!(truncated.kind(), ErrorKind::Malformed);
    for error in [missing.to_string(), truncated.to_string()] {
        assert!(error.starts_with(&path.display().to_string()), "{error}");
    }
    assert_eq!(whole.unwrap().inputs().len(), 1);
}

#[test]
fn a_reader_that_ends_before_its_length_is_an_error() {
    let model = case("conv 3x3").model;
    for end in [0, 1, model.len() / 2, model.len() - 1] {
        let mut reader = &model[..end];
        let error = Model::from_reader(&mut reader, model.len() as u64, &limits()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    }
}
