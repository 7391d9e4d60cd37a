import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEvmChain } from '../../adapters/evm/index.ts';
import { fromHex } from '../../gateway/billing/formats/bytes.ts';
import { encryptKey } from '../../gateway/billing/keys/keystore.ts';
import { type BillingConfig, billingSection } from '../../gateway/config/schema.ts';
import { type Setting, setting, type Terms } from '../contracts-evm/channel.ts';
import type { TestChain } from '../contracts-evm/open-chain.ts';
import { type Desk, openDesk } from '../serving/desk.ts';
import { until } from '../support/until.ts';

/** One inference by the tariff of these tests. */
export const PRICE = 10n ** 14n;
export const TOKEN = 10n ** 18n;

/** A gateway that serves a channel on a real chain, and the payer's wallets beside it. */
export interface ChannelRig {
  readonly world: Setting;
  readonly terms: Terms;
  readonly id: string;
  readonly section: BillingConfig;
  desk: Desk;
  /** Opens the gateway again on the same data. */
  reopen(): Promise<void>;
  /** Words of the payer as they go over the wire. */
  ceiling(max: bigint, options?: { validFor?: number; signer?: 'session' | 'payer' }): Promise<object>;
  ack(statement: { seq: number; cumulative: bigint; receiptHash: string }): Promise<object>;
  ask(id: string | undefined, parameters?: object): Promise<Asked>;
  state(): ChannelState;
}

export interface Asked {
  readonly status: number;
  readonly code: string | undefined;
  readonly body: Uint8Array;
  readonly request: Uint8Array;
  readonly receipt: Record<string, string> | undefined;
}

export interface ChannelState {
  readonly state: string;
  readonly bound: { readonly code: string; readonly upTo: string };
  readonly newest: { readonly seq: string; readonly cumulative: string; readonly receiptHash: string };
  readonly deposit: Record<string, string>;
  readonly acknowledged: Record<string, string> | null;
  readonly head: Record<string, string> | null;
  readonly exposure: Record<string, string>;
}

export async function channelRig(
  chain: TestChain,
  dir: string,
  config: Record<string, unknown> = {},
): Promise<ChannelRig> {
  const world = await setting(chain);
  const { chainId, rpcUrl } = chain.devchain;
  const ledger = ((await world.ledger.getAddress()) as string).toLowerCase();
  const keys = join(dir, 'keys');
  mkdirSync(keys, { recursive: true });
  const paths = { keystore: join(keys, 'device.json'), passphraseFile: join(keys, 'passphrase') };
  writeFileSync(paths.passphraseFile, 'test\n');
  writeFileSync(paths.keystore, JSON.stringify(await encryptKey(fromHex(world.device.privateKey), 'test')));
  for (const file of Object.values(paths)) chmodSync(file, 0o400);
  const { chain: chainConfig, ...rest } = config;
  const section = billingSection.parse({
    provider: world.provider.address,
    chain: {
      ...{ rpcUrl, chainId, ledger, ...paths, token: world.terms.token, confirmations: 0 },
      ...(chainConfig as object | undefined),
    },
    ...rest,
  });
  const open = () =>
    openDesk(
      dir,
      {},
      {
        config: section,
        chain: createEvmChain({ ...section.chain!, ledger }),
        anchors: section.anchors.map((anchor) => createEvmChain(anchor)),
      },
    );
  const desk = await open();
  const rig: ChannelRig = {
    ...{ world, terms: world.terms, id: world.id, section, desk },
    async reopen() {
      rig.desk = await open();
      await rig.desk.serving.start(AbortSignal.timeout(10_000));
      await seen(rig);
    },
    async ceiling(max, { validFor = 7 * 86_400, signer = 'session' } = {}) {
      const validUntil = (await chain.now()) + validFor;
      const document = { channelId: world.id, maxCumulative: max, validUntil };
      const signature = await world.sign('Ceiling', document, world[signer]);
      return { maxCumulative: String(max), validUntil: String(validUntil), signature };
    },
    async ack({ seq, cumulative, receiptHash }) {
      const document = { channelId: world.id, seq, cumulative, receiptHash };
      const signature = await world.sign('Ack', document, world.session);
      return { seq: String(seq), cumulative: String(cumulative), receiptHash, signature };
    },
    async ask(id, parameters = {}) {
      const request = Buffer.from(
        JSON.stringify({
          ...(id === undefined ? {} : { id }),
          inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data: [1, 2] }],
          parameters: { channel: world.id, ...parameters },
        }),
      );
      const { status, code, body } = await rig.desk.ask(request.toString());
      const { receipt } = (status === 200 ? JSON.parse(Buffer.from(body).toString()) : {}) as {
        receipt?: Record<string, string>;
      };
      return { status, code, body, request, receipt };
    },
    state: () => rig.desk.billing.channels.show(world.id) as ChannelState,
  };
  await desk.serving.start(AbortSignal.timeout(10_000));
  return rig;
}

/** Waits until the gateway has seen the channel's deposit. */
export async function seen(rig: ChannelRig, balance?: bigint): Promise<void> {
  await until(() => {
    const [state] = rig.desk.billing.channels.list() as ChannelState[];
    return (
      state !== undefined &&
      Number(state.deposit.seenAt) > 0 &&
      (balance === undefined || state.deposit.balance === String(balance))
    );
  }, 'the channel to be seen on the ledger');
}
