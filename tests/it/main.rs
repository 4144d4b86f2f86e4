mod formats;
mod http;
mod membership;
mod oracles;
mod rules;
mod server;
mod support;
mod tidy;
