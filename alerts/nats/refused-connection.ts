import type { IdentityFiles } from './identity.ts';

/** What Node.js and OpenSSL say of a connection's error. */
interface ConnectionError {
  readonly code?: string;
  readonly chainedError?: ConnectionError;
  readonly host?: string;
  readonly cert?: { readonly subjectaltname?: string };
}

/** OpenSSL's reasons for a chain of certificates that ends nowhere it knows. */
const UNKNOWN_AUTHORITY = [
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
];
/** Alerts of TLS by which a server refuses this client's certificate, or that there is none; OpenSSL's releases name them differently. */
const CERTIFICATE_ALERT =
  /^ERR_SSL_.*ALERT_(BAD_CERTIFICATE|CERTIFICATE_(REQUIRED|UNKNOWN|EXPIRED|REVOKED)|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)$/;

const unknownAuthority = (caFile: string | undefined): string =>
  caFile === undefined
    ? "the server wants TLS, and its certificate comes from no authority that is known here; give the authority's certificate with --nats-ca"
    : `the server's certificate comes from no authority in ${caFile}; get the certificate of the one that issued it, or is this another server?`;

const otherName = ({ host, cert }: ConnectionError): string => {
  const names = cert?.subjectaltname?.replaceAll('IP Address:', 'IP:') ?? 'nothing';
  return `the server's certificate is not for ${host ?? 'this host'} but for ${names}; use such a name in the URL, or have a certificate made for this one`;
};

const certificateRefused = (certFile: string | undefined): string =>
  certFile === undefined
    ? 'the server wants a certificate of this client; give one with --nats-cert and --nats-key'
    : `the server refused the certificate ${certFile}; is it of an authority that the server knows, and not revoked?`;

/** A server that refuses a certificate closes the connection as well, and what this client sends at the same time may hide the reason. */
const CLOSED = ['ECONNRESET', 'EPIPE', 'CONNECTION_CLOSED'];

const closedUnderTls = (certFile: string | undefined): string =>
  certFile === undefined
    ? 'the server closed the connection under TLS; is it a NATS server, and does it want a certificate of this client (--nats-cert and --nats-key)?'
    : `the server closed the connection under TLS; is it a NATS server, and is the certificate ${certFile} of an authority that it knows?`;

/** Why a server's certificate is not accepted, or this client's; undefined for what has to do with neither. */
const tlsProblem = (error: ConnectionError, { caFile, certFile }: IdentityFiles): string | undefined => {
  const { code = '' } = error;
  if (UNKNOWN_AUTHORITY.includes(code)) return unknownAuthority(caFile);
  if (CERTIFICATE_ALERT.test(code)) return certificateRefused(certFile);
  if (code === 'CERT_HAS_EXPIRED')
    return "the server's certificate has expired; have it renewed, and look whether this host's clock is right";
  if (code === 'CERT_NOT_YET_VALID') return "the server's certificate is not valid yet; is this host's clock right?";
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return otherName(error);
  if (code === 'SERVER_OPT_NA')
    return 'the server offers no TLS, and tls:// or a certificate asks for it; turn it on there, or use nats:// without certificates';
  return CLOSED.includes(code) && (caFile ?? certFile) !== undefined ? closedUnderTls(certFile) : undefined;
};

/** Why a server did not let a client with these files in; undefined where it isn't about who either of them is. */
export const refusalOf = (error: unknown, files: IdentityFiles): string | undefined => {
  const known = error as ConnectionError;
  const { nkeyFile, credsFile } = files;
  if (known.code === 'AUTHORIZATION_VIOLATION' && nkeyFile !== undefined)
    return `the server refused the key in ${nkeyFile} (authorization violation); is its public key in the server's configuration, and was that reloaded?`;
  if (known.code === 'AUTHORIZATION_VIOLATION' && credsFile !== undefined)
    return `the server refused the credentials in ${credsFile} (authorization violation); does it know their account, and were they revoked?`;
  return tlsProblem(known, files) ?? (known.chainedError && tlsProblem(known.chainedError, files));
};
