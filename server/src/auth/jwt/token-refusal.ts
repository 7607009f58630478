/**
 * Why a token is refused, said so that who made it can put it right. That its signature is wrong is all that somebody without
 * a key learns: the claims are looked at after it.
 */
import { errors } from 'jose';
import { AuthenticationError } from '../auth.js';

/** Undefined where the token is not at fault: no keys could be had. */
export function refusalOf(error: unknown): AuthenticationError | undefined {
  if (error instanceof errors.JWTExpired) {
    return new AuthenticationError('token-expired', 'The token has expired: come back with a fresh one.');
  }
  const sentence = sentenceFor(error);
  return sentence === undefined ? undefined : new AuthenticationError('authentication-failed', sentence);
}

function sentenceFor(error: unknown): string | undefined {
  if (error instanceof errors.JWTClaimValidationFailed) return claimSentence(error);
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return "The token's signature is wrong: it was signed with another key, or changed since.";
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'The token is signed with an algorithm that is not accepted here.';
  if (error instanceof errors.JWKSNoMatchingKey)
    return 'The token is signed with a key (kid, alg) that is not known here.';
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return 'The token does not say with which of several keys it is signed: its header needs a kid.';
  }
  const isMalformed =
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWTInvalid ||
    error instanceof errors.JOSENotSupported;
  return isMalformed ? 'The token is malformed, or has something in its header that is not supported.' : undefined;
}

function claimSentence({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason === 'missing') return `The token has no claim "${claim}", which is required here.`;
  if (reason === 'invalid') return `The token's claim "${claim}" is of the wrong type.`;
  if (claim === 'aud') return 'The token is for somebody else: its audience (aud) is not this relay.';
  if (claim === 'iss') return 'The token is from an issuer (iss) that is not accepted here.';
  if (claim === 'nbf') return 'The token is not valid yet (nbf).';
  return `The token's claim "${claim}" is not as it should be.`;
}
