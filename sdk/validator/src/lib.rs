mod decimal;
pub mod formats;
pub mod membership;
pub mod near;
pub mod record;
pub mod rules;
