import { GatewayError } from '../../gateway/errors.ts';
import type { Store, Transaction } from '../../gateway/store/types.ts';

/**
 * The same store as a process sees it that is killed: the commits up to number `commits` happen, none after. With
 * `answered` false the last one happens too, but its answer is never seen.
 */
export function cutStore(
  store: Store,
  commits: number,
  answered: boolean,
): Store & { readonly dead: boolean } {
  let left = commits;
  let dead = false;
  const gone = () => new GatewayError('STOPPING', 'killed');
  const commit = async (transaction: Transaction): Promise<unknown[]> => {
    if (dead) throw gone();
    left--;
    if (left > 0) return await store.commit(transaction);
    dead = true;
    if (!answered) await store.commit(transaction);
    throw gone();
  };
  return new Proxy(store, {
    get(target, name) {
      if (name === 'dead') return dead;
      if (name === 'commit') return commit;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  }) as Store & { readonly dead: boolean };
}
