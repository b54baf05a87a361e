//! Number slices in, number slices out. Knows no tensors, threads, files or faces.
