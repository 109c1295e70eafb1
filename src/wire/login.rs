//! A client's login (HandshakeResponse41) and its COM_CHANGE_USER: read, and written for the server.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html>
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_change_user.html>

use super::Malformed;
use super::attributes::Attributes;
use super::capabilities::{Capabilities, ExtendedCapabilities};
use super::command::Command;
use super::cursor::{Cursor, put_lenenc_bytes, put_nul_terminated};

/// A request for TLS is a login that ends after its fixed part, of this many bytes.
const SSL_REQUEST_BYTES: usize = 32;

/// Zero bytes in a login between its character set and MariaDB's extended capabilities.
const FILLER_BYTES: usize = 19;

/// What a client sends in answer to the greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAnswer {
    /// It wants TLS first.
    SslRequest,
    /// It logs in.
    Login(Login),
}

/// A client's login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// What is in force: the client's word AND the offer.
    pub capabilities: Capabilities,
    /// MariaDB's further capabilities in force.
    pub extended: ExtendedCapabilities,
    /// The longest packet that the client takes, in bytes.
    pub packet_bytes_max: u32,
    /// The client's character set, its lower byte.
    pub character_set: u8,
    /// The user's name as typed.
    pub user: Vec<u8>,
    /// The answer to the greeting's scramble.
    pub auth_response: Vec<u8>,
    /// The database to begin with.
    pub database: Option<Vec<u8>>,
    /// The authentication method that the answer is for.
    pub plugin: Option<Vec<u8>>,
    /// The connection attributes.
    pub attributes: Option<Attributes>,
}

impl ClientAnswer {
    /// Reads the client's answer to a greeting that offered `offer` and `extended_offer`.
    pub fn read(
        payload: &[u8],
        offer: Capabilities,
        extended_offer: ExtendedCapabilities,
    ) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(payload);
        let said = Capabilities(cursor.u32("capability flags")?);
        if !said.has(Capabilities::PROTOCOL_41) {
            return Err(Malformed(
                "capability flags: the protocol before MySQL 4.1 is not spoken here",
            ));
        }
        let capabilities = said.and(offer);
        let packet_bytes_max = cursor.u32("maximum packet size")?;
        let character_set = cursor.u8("character set")?;
        cursor.take(FILLER_BYTES, "filler")?;
        let mut extended = ExtendedCapabilities(cursor.u32("filler")? & extended_offer.0);
        if said.has(Capabilities::LONG_PASSWORD) {
            // The mark of a MySQL client, for which these bytes are filler. MariaDB's offer lacks it, so
            // that the server will not see it and would take what stands here for flags.
            extended = ExtendedCapabilities::default();
        }
        if said.has(Capabilities::SSL) && payload.len() == SSL_REQUEST_BYTES {
            return Ok(Self::SslRequest);
        }
        let user = cursor.nul_terminated("user name")?.to_vec();
        let auth_response = if capabilities.has(Capabilities::PLUGIN_AUTH_LENENC) {
            cursor.lenenc_bytes("authentication response")?
        } else {
            short_auth_response(&mut cursor, capabilities)?
        }
        .to_vec();
        let database = capabilities
            .has(Capabilities::CONNECT_WITH_DB)
            .then(|| cursor.nul_terminated_or_rest().to_vec());
        let plugin = capabilities
            .has(Capabilities::PLUGIN_AUTH)
            .then(|| cursor.nul_terminated_or_rest().to_vec());
        let attributes = read_attributes(&mut cursor, capabilities)?;
        Ok(Self::Login(Login {
            capabilities,
            extended,
            packet_bytes_max,
            character_set,
            user,
            auth_response,
            database,
            plugin,
            attributes,
        }))
    }
}

impl Login {
    /// The login's payload, written with exactly the capabilities that are in force.
    pub fn payload(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&self.capabilities.0.to_le_bytes());
        out.extend_from_slice(&self.packet_bytes_max.to_le_bytes());
        out.push(self.character_set);
        out.extend_from_slice(&[0; FILLER_BYTES]);
        out.extend_from_slice(&self.extended.0.to_le_bytes());
        put_nul_terminated(&mut out, &self.user);
        if self.capabilities.has(Capabilities::PLUGIN_AUTH_LENENC) {
            put_lenenc_bytes(&mut out, &self.auth_response);
        } else {
            put_short_auth_response(&mut out, &self.auth_response, self.capabilities);
        }
        if let Some(database) = &self.database {
            put_nul_terminated(&mut out, database);
        }
        if let Some(plugin) = &self.plugin {
            put_nul_terminated(&mut out, plugin);
        }
        if let Some(attributes) = &self.attributes {
            attributes.put(&mut out);
        }
        out
    }

    /// The request for TLS that goes before this login, with which it begins.
    pub fn ssl_request(&self) -> Vec<u8> {
        let mut payload = self.payload();
        payload.truncate(SSL_REQUEST_BYTES);
        payload
    }
}

/// A COM_CHANGE_USER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeUser {
    /// The user's name as typed.
    pub user: Vec<u8>,
    auth_response: Vec<u8>,
    database: Vec<u8>,
    character_set: Option<u16>,
    /// The authentication method that the answer is for.
    pub plugin: Option<Vec<u8>>,
    /// The connection attributes.
    pub attributes: Option<Attributes>,
}

impl ChangeUser {
    /// Reads the command's payload, its first byte included, on a connection with `capabilities` in
    /// force.
    pub fn read(payload: &[u8], capabilities: Capabilities) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(payload);
        cursor.u8("command")?;
        let user = cursor.nul_terminated("user name")?.to_vec();
        let auth_response = short_auth_response(&mut cursor, capabilities)?.to_vec();
        let database = cursor.nul_terminated_or_rest().to_vec();
        let character_set = match cursor.rest() {
            [] => None,
            _ => Some(cursor.u16("character set")?),
        };
        let plugin = (capabilities.has(Capabilities::PLUGIN_AUTH) && !cursor.rest().is_empty())
            .then(|| cursor.nul_terminated_or_rest().to_vec());
        let attributes = read_attributes(&mut cursor, capabilities)?;
        Ok(Self {
            user,
            auth_response,
            database,
            character_set,
            plugin,
            attributes,
        })
    }

    /// The command's payload on a connection with `capabilities` in force.
    pub fn payload(&self, capabilities: Capabilities) -> Vec<u8> {
        let mut out = vec![Command::CHANGE_USER.0];
        put_nul_terminated(&mut out, &self.user);
        put_short_auth_response(&mut out, &self.auth_response, capabilities);
        put_nul_terminated(&mut out, &self.database);
        if let Some(character_set) = self.character_set {
            out.extend_from_slice(&character_set.to_le_bytes());
        }
        if let Some(plugin) = &self.plugin {
            put_nul_terminated(&mut out, plugin);
        }
        if let Some(attributes) = &self.attributes {
            attributes.put(&mut out);
        }
        out
    }
}

/// An authentication response with a length of one byte, or ended by NUL where that is not in force.
fn short_auth_response<'a>(
    cursor: &mut Cursor<'a>,
    capabilities: Capabilities,
) -> Result<&'a [u8], Malformed> {
    if capabilities.has(Capabilities::SECURE_CONNECTION) {
        let len = cursor.u8("authentication response")?;
        cursor.take(usize::from(len), "authentication response")
    } else {
        cursor.nul_terminated("authentication response")
    }
}

fn put_short_auth_response(out: &mut Vec<u8>, response: &[u8], capabilities: Capabilities) {
    if capabilities.has(Capabilities::SECURE_CONNECTION) {
        // It was read with a length of one byte, so that it fits into one.
        out.push(response.len() as u8);
        out.extend_from_slice(response);
    } else {
        put_nul_terminated(out, response);
    }
}

/// Attributes, where they are in force and there: some clients claim them and send none.
fn read_attributes(
    cursor: &mut Cursor<'_>,
    capabilities: Capabilities,
) -> Result<Option<Attributes>, Malformed> {
    if !capabilities.has(Capabilities::CONNECT_ATTRS) || cursor.rest().is_empty() {
        return Ok(None);
    }
    let bytes = cursor.lenenc_bytes("connection attributes")?;
    Attributes::read(bytes).map(Some)
}

#[cfg(test)]
mod tests;
