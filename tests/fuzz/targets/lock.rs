//! Any bytes as `guiju.lock`, which comes with a project from anywhere.
//!
//! It is refused with a place, or says the same after it was written again.

use guiju::Lock;
use std::fs;

pub fn run(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("guiju.lock");
    fs::write(&path, data).expect("the temporary folder takes a file");
    let Ok(lock) = Lock::read(&path) else { return };
    lock.write().expect("what was read can be written");
    let again = Lock::read(&path).expect("what was written can be read");
    assert_eq!(lock.log(), again.log());
    assert!(lock.pins().eq(again.pins()), "a pin was changed");
    let first = fs::read(&path).expect("it is there");
    again.write().expect("written");
    assert_eq!(fs::read(&path).expect("it is there"), first, "a lock has one spelling");
}
