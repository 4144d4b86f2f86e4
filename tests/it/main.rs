mod formats;
mod tidy;
