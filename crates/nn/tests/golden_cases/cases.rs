//! The golden cases. In: `golden/cases.bin`, whose format `golden/make_golden.py` describes. Out:
//! models with their inputs and the outputs that ONNX Runtime gave.

use fusiform_nn::Tensor;

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) model: Vec<u8>,
    pub(crate) inputs: Vec<(String, Tensor)>,
    pub(crate) outputs: Vec<Tensor>,
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> usize {
        let (head, rest) = self.0.split_first_chunk::<4>().unwrap();
        self.0 = rest;
        u32::from_le_bytes(*head) as usize
    }

    fn block(&mut self) -> Vec<u8> {
        let n = self.number();
        let (head, rest) = self.0.split_at(n);
        self.0 = rest;
        head.to_vec()
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.block()).unwrap()
    }

    fn tensor(&mut self) -> Tensor {
        let rank = self.number();
        let shape: Vec<usize> = (0..rank).map(|_| self.number()).collect();
        let n: usize = shape.iter().product();
        let (head, rest) = self.0.split_at(n * 4);
        self.0 = rest;
        let data = head
            .as_chunks::<4>()
            .0
            .iter()
            .map(|w| f32::from_le_bytes(*w))
            .collect();
        Tensor::new(shape, data).unwrap()
    }
}

pub(crate) fn read_cases() -> Vec<Case> {
    let mut r = Reader(include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/golden/cases.bin"
    )));
    let n = r.number();
    let case = |r: &mut Reader| {
        let (name, model) = (r.text(), r.block());
        let n_inputs = r.number();
        let inputs = (0..n_inputs).map(|_| (r.text(), r.tensor())).collect();
        let n_outputs = r.number();
        Case {
            name,
            model,
            inputs,
            outputs: (0..n_outputs).map(|_| r.tensor()).collect(),
        }
    };
    (0..n).map(|_| case(&mut r)).collect()
}
