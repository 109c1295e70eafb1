//! COM_CHANGE_USER: a login in the middle of a session, passed through like the first one.

use std::io;

use super::login::{Fault, LoginError, admit};
use super::relay::Ended;
use super::{Gate, Session};
use crate::clients::Doing;
use crate::deadline::Deadline;
use crate::transport::authenticate;
use crate::wire::answer::SqlError;
use crate::wire::attributes::Attributes;
use crate::wire::authentication::Authentication;
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::login::ChangeUser;
use crate::wire::reply::ReplyTracker;

impl Session {
    /// Sends a change of user on, with the name and attributes that a server takes, and passes on what
    /// follows until it is granted or refused.
    ///
    /// # Errors
    /// When the session must end.
    pub(super) async fn change_user(&mut self, payload: &[u8], gate: &Gate) -> Result<(), Ended> {
        let change = ChangeUser::read(payload, self.capabilities)
            .map_err(|error| SqlError::new(1043, format!("Bad handshake: {error}")));
        let admitted = change.and_then(|change| {
            let name = admit(&change.user, change.attributes.as_ref(), gate)?;
            Ok((change, name))
        });
        let (mut change, name) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                let refused = io::Error::new(io::ErrorKind::PermissionDenied, error.to_string());
                let said = self.say_error(error).await;
                return Err(Ended::ClientLost(said.err().unwrap_or(refused)));
            }
        };
        change.user = name.for_server().into_bytes();
        change.attributes = change.attributes.map(Attributes::through_proxy);

        let payload = change.payload(self.capabilities);
        let (addr, _) = self.registration.key();
        let tls_on_one_side = self.relay.has_tls_on_one_side();
        let deadline = Deadline::after(gate.limits.handshake_timeout);
        let activity = self.registration.activity();
        activity.does(Doing::Command(Command::CHANGE_USER));
        let changed = self
            .relay
            .exchange(async |client, backend| {
                let changed = async {
                    let method = change.plugin.as_deref();
                    let authentication = Authentication::begin(method, tls_on_one_side)?;
                    let sent = backend.write(&payload).await;
                    sent.map_err(|error| LoginError::BackendLost(addr, error))?;
                    let ended = authenticate(client, backend, authentication, deadline).await;
                    LoginError::of(ended, addr)
                };
                let changed = changed.await;
                if let Some(refusal) = changed.as_ref().err().and_then(LoginError::to_sql) {
                    // That the client has left meanwhile is its own business.
                    let _ = client.write(&refusal.payload()).await;
                }
                changed
            })
            .await
            .map_err(Ended::ClientLost)?;
        activity.does(Doing::Nothing);
        match changed {
            Ok(status) => {
                let deprecate_eof = self.capabilities.has(Capabilities::DEPRECATE_EOF);
                let status = status.unwrap_or(self.relay.tracker.status());
                self.relay.tracker = ReplyTracker::new(deprecate_eof, status);
                self.registration.change_user(&name.user);
                self.caller.user = name.user;
                self.begin_anew();
                Ok(())
            }
            // Whether the session goes on is the server's word.
            Err(LoginError::RefusedByServer(_)) => Ok(()),
            Err(error) if error.fault() == Fault::Server => {
                Err(Ended::ServerLost(io::Error::other(error)))
            }
            Err(error) => Err(Ended::ClientLost(io::Error::other(error))),
        }
    }
}
