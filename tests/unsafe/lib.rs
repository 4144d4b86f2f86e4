//! The modules with `unsafe`, and those that they are used through.

#![allow(dead_code, unused_imports)]

mod program;
