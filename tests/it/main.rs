mod formats;
mod oracles;
mod server;
mod support;
mod tidy;
