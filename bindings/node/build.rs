//! Links as an addon of Node needs it on each system.
fn main() {
    napi_build::setup();
}
