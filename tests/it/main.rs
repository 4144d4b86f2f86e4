mod formats;
mod oracles;
mod tidy;
