import { Identities } from '../../gateway/security/identities.ts';
import { newSecret, sealPassword } from '../../gateway/security/secrets.ts';

const ADMIN = 'admin';

/** A login for the demo's gateway, with a password of its own; null when somebody can log in already. */
export async function firstLogin(dataDir: string): Promise<{ name: string; password: string } | null> {
  const identities = new Identities(dataDir);
  if (identities.people().length > 0) return null;
  const password = newSecret().slice(0, 16);
  identities.addPerson(ADMIN, 'admin', await sealPassword(password), Date.now());
  return { name: ADMIN, password };
}
