/**
 * Sentences for refused tokens, detailed enough for the issuer to fix them. A client without a key learns only that the
 * signature is wrong, because jose checks the claims after the signature.
 */
import { errors } from 'jose';
import { AuthenticationError } from '../auth.js';

export const ISSUED_IN_FUTURE =
  "The token's time of issue (iat) is in the future, by more than clockSkewSeconds: check the issuer's clock.";

/** Undefined if the token is not at fault, because no keys are available. */
export function refusalOf(error: unknown): AuthenticationError | undefined {
  if (error instanceof errors.JWTExpired) {
    return new AuthenticationError('token-expired', 'The token has expired: log in again with a fresh one.');
  }
  const sentence = sentenceFor(error);
  return sentence === undefined ? undefined : new AuthenticationError('authentication-failed', sentence);
}

function sentenceFor(error: unknown): string | undefined {
  if (error instanceof errors.JWTClaimValidationFailed) return claimSentence(error);
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return "The token's signature is wrong: it was signed with another key, or changed afterwards.";
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'The token is signed with an algorithm that is not accepted here.';
  if (error instanceof errors.JWKSNoMatchingKey)
    return 'The relay does not know the key (kid, alg) that signed the token.';
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return 'The relay has several keys, and the token does not name one of them: its header needs a kid.';
  }
  const isMalformed =
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWTInvalid ||
    error instanceof errors.JOSENotSupported;
  return isMalformed ? 'The token is malformed, or its header has an unsupported member.' : undefined;
}

function claimSentence({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason === 'missing') return `The token has no claim "${claim}", which is required here.`;
  if (reason === 'invalid') return `The token's claim "${claim}" is of the wrong type.`;
  if (claim === 'aud') return 'The token is for another service: its audience (aud) does not include this relay.';
  if (claim === 'iss') return 'The token is from an issuer (iss) that is not accepted here.';
  if (claim === 'iat') return ISSUED_IN_FUTURE;
  if (claim === 'nbf') return 'The token is not valid yet (nbf).';
  return `The token's claim "${claim}" has an invalid value.`;
}
