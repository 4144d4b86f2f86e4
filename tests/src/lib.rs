//! What proves Guiju: the test binary is `it/main.rs`, cases lie in `cases/`, benches in `benches/`.
