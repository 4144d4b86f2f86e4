#[test]
fn tidy() {}
