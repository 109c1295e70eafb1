//! TLS toward clients and toward servers: which certificates, and what is demanded of the other side.
//!
//! The only place that knows rustls. Each side is set up on its own: clients may come with TLS while the
//! servers have none, and the other way round.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig};
use rustls::{Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// TLS that cannot be set up; one line says why.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// A file cannot be read, or has nothing of the kind in it.
    #[error("{}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not belong together, or cannot be used.
    #[error("the certificate {} cannot be used: {error}", certificate.display())]
    Certificate {
        /// The certificate's file.
        certificate: PathBuf,
        /// What rustls says.
        error: Error,
    },
    /// The certificates of authorities cannot be used.
    #[error("the certificates of {} cannot be used: {reason}", ca.display())]
    Authority {
        /// The file of authorities.
        ca: PathBuf,
        /// What rustls says.
        reason: String,
    },
}

/// TLS toward clients.
#[derive(Clone)]
pub struct ClientTls {
    /// Whether a client that wants none is refused.
    pub required: bool,
    acceptor: TlsAcceptor,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tls = f.debug_struct("ClientTls");
        tls.field("required", &self.required)
            .finish_non_exhaustive()
    }
}

impl ClientTls {
    /// With the certificate (and those between it and its authority) and key of these PEM files.
    ///
    /// # Errors
    /// When they cannot be read, or do not belong together.
    pub fn new(required: bool, certificate: &Path, key: &Path) -> Result<Self, TlsSetupError> {
        let chain = certificates(certificate)?;
        let private_key = PrivateKeyDer::from_pem_file(key).map_err(|error| in_file(key, error))?;
        let unusable = |error| TlsSetupError::Certificate {
            certificate: certificate.to_owned(),
            error,
        };
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, private_key)
            .map_err(unusable)?;
        Ok(Self {
            required,
            acceptor: Arc::new(config).into(),
        })
    }

    /// Takes a client's side of TLS.
    ///
    /// # Errors
    /// When the client breaks off, or speaks no TLS that we know.
    pub async fn accept(&self, client: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        Ok(self.acceptor.accept(client).await?.into())
    }
}

/// What a server's certificate must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verify {
    /// Nothing: against listeners, not against impostors.
    Nothing,
    /// That one of the authorities in this PEM file has made it.
    Authority(PathBuf),
    /// That, and that it is made out to the address by which the server is called.
    AuthorityAndName(PathBuf),
}

/// TLS toward servers, which must offer it.
#[derive(Clone)]
pub struct ServerTls {
    verify: Verify,
    connector: TlsConnector,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tls = f.debug_struct("ServerTls");
        tls.field("verify", &self.verify).finish_non_exhaustive()
    }
}

impl ServerTls {
    /// TLS with servers whose certificates show `verify`.
    ///
    /// # Errors
    /// When the authorities' file cannot be read or has none.
    pub fn new(verify: Verify) -> Result<Self, TlsSetupError> {
        let verifier: Arc<dyn ServerCertVerifier> = match &verify {
            Verify::Nothing => Arc::new(Lenient::AnyCertificate(provider())),
            Verify::Authority(ca) => Arc::new(Lenient::AnyName(authorities(ca)?)),
            Verify::AuthorityAndName(ca) => authorities(ca)?,
        };
        let versions = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsSetupError::Authority {
                ca: PathBuf::new(),
                reason: error.to_string(),
            })?;
        let config = versions
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self {
            verify,
            connector: Arc::new(config).into(),
        })
    }

    /// Begins TLS with the server that is called `host`: a name, or an IP address.
    ///
    /// # Errors
    /// When its certificate does not show what it must, or it breaks off.
    pub async fn connect(&self, host: &str, server: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok(self.connector.connect(name, server).await?.into())
    }
}

/// The one implementation of cryptography here, named, so that no other crate's choice changes it.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn in_file(file: &Path, error: rustls::pki_types::pem::Error) -> TlsSetupError {
    use rustls::pki_types::pem::Error as Pem;
    let reason = match error {
        Pem::Io(error) => error.to_string(),
        Pem::NoItemsFound => "there is none of the kind in it; it must be PEM".to_owned(),
        other => format!("it is no PEM file: {other:?}"),
    };
    TlsSetupError::File {
        file: file.to_owned(),
        reason,
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let all = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| in_file(file, error))?;
    if all.is_empty() {
        return Err(in_file(file, rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(all)
}

fn authorities(ca: &Path) -> Result<Arc<WebPkiServerVerifier>, TlsSetupError> {
    let unusable = |reason: String| TlsSetupError::Authority {
        ca: ca.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| unusable(error.to_string()))
}

/// Demands less of a certificate than that it is made out to the server.
#[derive(Debug)]
enum Lenient {
    /// It may be made out to anybody, if an authority has made it.
    AnyName(Arc<WebPkiServerVerifier>),
    /// It may be any. Whoever answers may have made it on the spot, so that what is signed with it proves
    /// nothing: this is not looked at either, and certificates of every age and make will do.
    AnyCertificate(Arc<CryptoProvider>),
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Self::AnyName(strict) = self else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified =
            strict.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        // The name is the last thing that is looked at.
        match verified {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self {
            Self::AnyName(strict) => strict.verify_tls12_signature(message, cert, dss),
            Self::AnyCertificate(_) => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self {
            Self::AnyName(strict) => strict.verify_tls13_signature(message, cert, dss),
            Self::AnyCertificate(_) => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match self {
            Self::AnyName(strict) => strict.supported_verify_schemes(),
            Self::AnyCertificate(provider) => provider
                .signature_verification_algorithms
                .supported_schemes(),
        }
    }
}
