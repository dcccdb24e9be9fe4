//! A guest that moves money: transactions, also inside one another.

use sliphost::prelude::*;

pub static ACCOUNTS: Cache = Cache::new("accounts");
pub static MOVES: Cache = Cache::new("moves");

/// Takes "deposit A N", "move A B N", "must A B N", "split A B C N" and
/// "undo A B N".
pub fn bank(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let words: Vec<_> = rec.text()?.split(' ').collect();
    match words[..] {
        ["deposit", a, n] => {
            ACCOUNTS.add_i64(call, a, n.parse()?)?;
            balances(call, &[a])
        }
        ["move", a, b, n] => {
            MOVES.add_i64(call, a, 1)?;
            match pay(call, a, b, n.parse()?) {
                Ok(()) => balances(call, &[a, b]),
                Err(e) => {
                    refused(call, a, &e);
                    Ok(())
                }
            }
        }
        ["must", a, b, n] => {
            MOVES.add_i64(call, a, 1)?;
            pay(call, a, b, n.parse()?)?;
            balances(call, &[a, b])
        }
        ["split", a, b, c, n] => {
            let n = n.parse()?;
            ACCOUNTS.transaction(call, a, |call| {
                for to in [b, c] {
                    // Whoever cannot be paid goes without.
                    let _ = pay(call, a, to, n);
                }
                Ok(())
            })?;
            balances(call, &[a, b, c])
        }
        ["undo", a, b, n] => {
            let n = n.parse()?;
            let undone: Result<()> = ACCOUNTS.transaction(call, a, |call| {
                pay(call, a, b, n)?;
                Err(Error::failed("undone"))
            });
            if let Err(e) = undone {
                refused(call, a, &e);
            }
            Ok(())
        }
        _ => bail!("unknown command: {}", rec.text()?),
    }
}

/// Moves n from one account to another, or changes nothing.
fn pay(call: &mut Call, from: &str, to: &str, n: i64) -> Result<()> {
    ACCOUNTS.transaction(call, from, |call| {
        let left = ACCOUNTS.add_i64(call, from, -n)?;
        if left < 0 {
            bail!("overdraft: {} has {}, {} wanted", from, left + n, n);
        }
        ACCOUNTS.add_i64(call, to, n)?;
        Ok(())
    })
}

/// Emits each account and what it has.
fn balances(call: &mut Call, accounts: &[&str]) -> Result<()> {
    for account in accounts {
        let balance = ACCOUNTS.get_i64(call, *account)?.unwrap_or(0);
        call.emit(*account, &balance.to_string());
    }
    Ok(())
}

fn refused(call: &mut Call, account: &str, e: &Error) {
    call.emit(account, &format!("refused: {}", e.message()));
}
