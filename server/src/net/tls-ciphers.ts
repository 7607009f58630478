/**
 * The ciphers of all TLS connections, for `ciphers` of node:tls: authenticated encryption with forward secrecy. TLS 1.3
 * has no others. Of TLS 1.2 only ECDHE with AES-GCM or ChaCha20 remains, without CBC and without the RSA key exchange,
 * which have had padding oracles. Every browser, and every TLS library since 2013, has these.
 */
export const TLS_CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');
