//! The addon behind the package `fusiform` of Node.js. In: plain values of JavaScript. Out: plain
//! values, or [`answer::Failure`]; nothing is thrown here. Knows nothing of classes and types: what
//! programs see is `lib/`, which checks arguments before they come here.

mod album;
mod answer;
mod engine;
mod face;
mod gallery;
mod results;
