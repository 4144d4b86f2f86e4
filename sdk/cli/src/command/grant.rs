use crate::{
    context::Context,
    failure::{Answer, Verdict},
    shelf::Shelf,
};
use guiju_model::{Grant, Principal};
use std::io::Write;

/// Give a principal a role on a namespace
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Roles: reader, agency, author, approver, manager, operator, auditor. It takes manager on the namespace. No one holds operator with author,
approver or manager. The step and its reason stand in the registry's log for ever; to give a role that is held changes nothing.
Example: guiju grant li.wei manager:bj.population --why 'decision 2026-17'")]
pub struct GrantArgs {
    #[command(flatten)]
    pub role: RoleArgs,
}

/// Take back a role that a principal holds
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It takes manager on the namespace. What the principal may do ends at once, and what it has under way is judged anew.
Example: guiju revoke li.wei manager:bj.population --why 'left the committee'")]
pub struct RevokeArgs {
    #[command(flatten)]
    pub role: RoleArgs,
}

/// What giving and taking back need.
#[derive(Debug, clap::Args)]
pub struct RoleArgs {
    /// Whom: li.wei, cert:gateway.bj.example, sso:8842; `anyone` for everybody, as reader or agency
    principal: Principal,
    /// Role and namespace: manager:bj.population, or on every namespace: auditor:*
    role: Grant,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    why: String,
}

pub fn run(args: GrantArgs, context: &Context) -> Answer {
    let RoleArgs { principal, role, why } = args.role;
    let shelf = Shelf::open(context)?;
    // A role may be given, taken back and given again for the same reason.
    let operation = shelf.fresh_operation("grant")?;
    let (info, is_new) = shelf.ask(|registry| {
        let (principal, role, why, operation) = (&principal, &role, &why, &operation);
        async move { registry.grant(operation, principal, role, why).await }
    })?;
    let mut out = context.out();
    let held = if is_new { "" } else { ", held already" };
    writeln!(out, "granted {} to {}{held}", info.grant, info.principal)?;
    out.flush()?;
    Ok(Verdict::Conforms)
}

pub fn revoke(args: RevokeArgs, context: &Context) -> Answer {
    let RoleArgs { principal, role, why } = args.role;
    let shelf = Shelf::open(context)?;
    // A role may be given, taken back and given again for the same reason.
    let operation = shelf.fresh_operation("revoke")?;
    let info = shelf.ask(|registry| {
        let (principal, role, why, operation) = (&principal, &role, &why, &operation);
        async move { registry.revoke(operation, principal, role, why).await }
    })?;
    let mut out = context.out();
    writeln!(out, "revoked {} from {}", info.grant, info.principal)?;
    out.flush()?;
    Ok(Verdict::Conforms)
}
