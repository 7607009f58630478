import { describe, expect, test } from '@jest/globals';
import { hashPassword, isPassword, parsePasswordHash } from '../../../../../server/src/auth/logins/password-hash.js';

/** Computed with Python's hashlib.scrypt, in the format of passlib. */
const OF_PASSLIB = '$scrypt$ln=14,r=8,p=1$zN2KFMZhRfOmojWfLnwqLw$bi47QHIEJz28l4L/sB54Omd0Dke7A2Jrjja2kHpxGAE';
const SALT = 'A'.repeat(22);
const HASH = 'A'.repeat(43);

describe('hashes of passwords', () => {
  test('a new hash is a PHC string with its own salt, and only its password matches', async () => {
    const [one, other] = await Promise.all([hashPassword('pä55:word'), hashPassword('pä55:word')]);
    expect(one).toMatch(/^\$scrypt\$ln=15,r=8,p=3\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(other).not.toBe(one);
    const hash = parsePasswordHash(one);
    await expect(isPassword('pä55:word', hash)).resolves.toBe(true);
    await expect(isPassword('pä55:word ', hash)).resolves.toBe(false);
    await expect(isPassword('', hash)).resolves.toBe(false);
  });

  test('hashes of other tools are read', async () => {
    const hash = parsePasswordHash(OF_PASSLIB);
    await expect(isPassword('correct horse', hash)).resolves.toBe(true);
    await expect(isPassword('incorrect horse', hash)).resolves.toBe(false);
  });

  test.each([
    [`$scrypt$ln=13,r=8,p=1$${SALT}$${HASH}`, /too weak/],
    [`$scrypt$ln=14,r=1,p=1$${SALT}$${HASH}`, /too weak/],
    [`$scrypt$ln=0,r=8,p=1$${SALT}$${HASH}`, /too weak/],
    [`$scrypt$ln=18,r=8,p=1$${SALT}$${HASH}`, /costs too much/],
    [`$scrypt$ln=17,r=8,p=3$${SALT}$${HASH}`, /costs too much/],
    [`$scrypt$ln=99,r=8,p=1$${SALT}$${HASH}`, /costs too much/],
    [`$scrypt$ln=14,r=999,p=1$${SALT}$${HASH}`, /costs too much/],
    [`$scrypt$ln=15,r=8,p=1$AAAA$${HASH}`, /a salt of 16 to 64 bytes/],
    [`$scrypt$ln=15,r=8,p=1$${SALT}$AAAA`, /a hash of 32 to 64/],
    [`$scrypt$ln=15,r=8,p=1$${SALT}$${'A'.repeat(90)}`, /a hash of 32 to 64/],
    [`$argon2id$v=19$m=65536,t=3,p=4$${SALT}$${HASH}`, /hash-password/],
    [`$scrypt$ln=15,r=8,p=1$${SALT}$${HASH}=`, /hash-password/],
    [`$scrypt$ln=15,r=8,p=1$${SALT}$${HASH}\n`, /hash-password/],
    ['secret', /hash-password/],
    ['', /hash-password/],
  ])('%j is refused without being quoted', (text, reason) => {
    let message = '';
    try {
      parsePasswordHash(text);
    } catch (error) {
      ({ message } = error as Error);
    }
    expect(message).toMatch(reason);
    if (text !== '') expect(message).not.toContain(text);
    expect(message).not.toContain(SALT);
  });
});
