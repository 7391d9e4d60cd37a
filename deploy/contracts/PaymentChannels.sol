// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {BillingTypes} from "./BillingTypes.sol";
import {DeviceBonds} from "./DeviceBonds.sol";
import {DeviceHeads} from "./DeviceHeads.sol";

/// @title Escrowed channels between payers and providers
/// @notice A channel is the hash of its terms; whoever names other terms names another channel. The payer's money waits
/// in escrow. It leaves in three ways only: to the provider for what the payer's session key has acknowledged ({settle}), to
/// the provider for a claim under a ceiling that nobody could refute in time ({claim}, {release}), or back to the
/// payer after the delay that the terms name ({thaw}, {withdraw}).
abstract contract PaymentChannels is DeviceHeads, DeviceBonds {
    using SafeERC20 for IERC20;

    /// @notice Money and claims of one channel. Amounts are cumulative where that is said: since the channel opened.
    /// @param balance deposited and won from bonds, less withdrawn, cumulative; `balance - paid` is in escrow
    /// @param paid paid to the provider, cumulative
    /// @param held cumulative amount of the claim that waits for its dispute window; 0 when none waits
    /// @param heldSeq receipt number of the newest claim, also when that has been released or cancelled
    /// @param releaseAt when the claim may be released, in seconds since the epoch
    /// @param thawing what the payer takes back at `thawAt`
    /// @param opened whether the terms have been published
    /// @param heldHash hash of the receipt that the newest claim is up to
    struct Channel {
        uint128 balance;
        uint128 paid;
        uint128 held;
        uint64 heldSeq;
        uint64 releaseAt;
        uint128 thawing;
        uint64 thawAt;
        bool opened;
        bytes32 heldHash;
    }

    /// @notice The payer's word that everything up to receipt `seq` was delivered and costs `cumulative` in all.
    /// @param r first half of the payer's signature over the `Ack`
    /// @param vs second half, compact (EIP-2098)
    struct Acknowledged {
        BillingTypes.Config config;
        uint64 seq;
        uint128 cumulative;
        bytes32 receiptHash;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice The device's word on its receipts: signed as `Head`.
    struct Stated {
        uint64 seq;
        uint128 cumulative;
        bytes32 receiptHash;
        bytes signature;
    }

    /// @notice What the payer allows before service: signed as `Ceiling`.
    struct Allowed {
        uint128 maxCumulative;
        uint64 validUntil;
        bytes signature;
    }

    /// @notice Shortest dispute window: time for a payer to see a claim and answer it.
    uint256 public constant MIN_DISPUTE_WINDOW = 1 hours;
    /// @notice By how much a withdrawal takes longer than a dispute, so that a provider can still claim.
    uint256 public constant CLAIM_MARGIN = 15 minutes;
    uint256 public constant MAX_WITHDRAW_DELAY = 30 days;
    /// @notice How many times what it claimed too much a device loses.
    uint256 public constant SLASH_FACTOR = 2;

    /// @notice May stop new deposits, and nothing else; zero: nobody may.
    address public immutable GUARDIAN;
    bool public depositsPaused;

    mapping(bytes32 channelId => Channel) private _channels;

    event ChannelOpened(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed provider,
        address payerSigner,
        address device,
        address token,
        uint32 withdrawDelay,
        uint32 disputeWindow,
        bytes32 salt
    );
    event Deposited(bytes32 indexed channelId, address indexed from, uint128 amount, uint128 balance);
    event Thawing(bytes32 indexed channelId, uint128 amount, uint64 thawAt);
    event Withdrawn(bytes32 indexed channelId, uint128 amount, uint128 balance);
    /// @param paid in all, which is less than `cumulative` when the escrow was short: the rest stays claimable
    event Settled(bytes32 indexed channelId, uint64 seq, uint128 cumulative, uint128 paid, bytes32 receiptHash);
    event Claimed(bytes32 indexed channelId, uint64 seq, uint128 cumulative, bytes32 receiptHash, uint64 releaseAt);
    event Released(bytes32 indexed channelId, uint64 seq, uint128 cumulative, uint128 paid);
    /// @param slashed what the bond lost; half of it, rounded down, is in the channel's balance now
    event Challenged(
        bytes32 indexed channelId, uint64 seq, uint128 cumulative, bytes32 receiptHash, bool equivocation, uint128 slashed
    );
    event DepositsPaused(bool paused);

    /// @notice The terms are not ones a channel can have.
    error WrongTerms();
    /// @notice New deposits are stopped; everything else works.
    error DepositsStopped();
    error ZeroAmount();
    /// @notice Only the payer of the channel or its session key may do this.
    error NotPayer(address caller);
    error NotGuardian(address caller);
    /// @notice There is nothing to pay: it was paid already, or the escrow is empty.
    error NothingToPay();
    /// @notice All rows of one settlement go to one provider in one token.
    error MixedPayout();
    /// @notice The claim is above what the payer has allowed.
    error OverCeiling(uint128 maxCumulative, uint128 claimed);
    /// @notice The ceiling was valid until an earlier time.
    error CeilingExpired(uint64 validUntil);
    /// @notice Claims of a channel go forward: a later receipt than the last claim's is needed.
    error StaleClaim(uint64 present, uint64 given);
    error NoClaim();
    /// @notice The dispute window is over.
    error TooLate(uint64 releaseAt);
    /// @notice This head does not contradict the claim.
    error NoContradiction();

    constructor(address guardian) {
        GUARDIAN = guardian;
    }

    /// @notice Publishes the terms of a channel. A first deposit does it too.
    function open(BillingTypes.Config calldata config) external {
        _open(channelId(config), config);
    }

    /// @notice Adds `amount` of the caller's tokens to a channel's escrow, for whoever is its payer.
    function deposit(BillingTypes.Config calldata config, uint128 amount) external nonReentrant {
        _deposit(config, amount);
    }

    /// @notice {deposit} with an ERC-2612 permit of the caller. Whoever uses the permit first spoils nothing: it has set the
    /// allowance then.
    function depositWithPermit(
        BillingTypes.Config calldata config,
        uint128 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        try IERC20Permit(config.token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(config, amount);
    }

    /// @notice Announces that the payer takes `amount` back after the channel's delay; 0 takes the announcement back.
    function thaw(BillingTypes.Config calldata config, uint128 amount) external {
        if (msg.sender != config.payer && msg.sender != config.payerSigner) revert NotPayer(msg.sender);
        bytes32 id = channelId(config);
        Channel storage c = _channels[id];
        uint64 thawAt = amount == 0 ? 0 : uint64(block.timestamp + config.withdrawDelay);
        (c.thawing, c.thawAt) = (amount, thawAt);
        emit Thawing(id, amount, thawAt);
    }

    /// @notice Pays the payer what was announced, or what neither payments nor a claim that waits have left of it.
    function withdraw(BillingTypes.Config calldata config) external nonReentrant {
        bytes32 id = channelId(config);
        Channel storage c = _channels[id];
        if (c.thawAt == 0 || block.timestamp < c.thawAt) revert TooEarly(c.thawAt);
        uint128 free = c.balance - (c.held > c.paid ? c.held : c.paid);
        uint128 amount = c.thawing < free ? c.thawing : free;
        c.balance -= amount;
        (c.thawing, c.thawAt) = (0, 0);
        emit Withdrawn(id, amount, c.balance);
        IERC20(config.token).safeTransfer(config.payer, amount);
    }

    /// @notice Pays a provider what payers have acknowledged, in one transfer. A row that is paid already, or whose escrow
    /// is empty, is passed over, so that nobody can spoil the others by settling one of them first. Anyone may call.
    function settle(Acknowledged[] calldata rows) external nonReentrant {
        if (_settle(rows) == 0) revert NothingToPay();
    }

    /// @notice {postFor} and {settle} in one transaction. The batch counts also when there is nothing left to pay.
    function postAndSettle(
        address device,
        bytes32 prevHead,
        bytes32 root,
        uint64 toSeq,
        uint128 total,
        bytes calldata signature,
        Acknowledged[] calldata rows
    ) external nonReentrant {
        postFor(device, prevHead, root, toSeq, total, signature);
        _settle(rows);
    }

    /// @notice Claims what the payer allowed and has not acknowledged. The claim waits for the dispute window; a later one
    /// takes its place and waits anew.
    /// @param stated the device's newest head, at most as high as the ceiling
    function claim(BillingTypes.Config calldata config, Stated calldata stated, Allowed calldata allowed) external {
        bytes32 id = channelId(config);
        Channel storage c = _channels[id];
        if (block.timestamp > allowed.validUntil) revert CeilingExpired(allowed.validUntil);
        if (stated.cumulative > allowed.maxCumulative) {
            revert OverCeiling(allowed.maxCumulative, stated.cumulative);
        }
        if (stated.seq <= c.heldSeq) revert StaleClaim(c.heldSeq, stated.seq);
        _requireHead(id, config.device, stated);
        _requireSigner(
            config.payerSigner,
            ECDSA.recoverCalldata(
                _hashTypedDataV4(BillingTypes.ceiling(id, allowed.maxCumulative, allowed.validUntil)),
                allowed.signature
            )
        );
        // A short escrow holds what is there; the rest stays claimable.
        uint128 held = stated.cumulative < c.balance ? stated.cumulative : c.balance;
        if (held <= c.paid) revert NothingToPay();
        uint64 releaseAt = uint64(block.timestamp + config.disputeWindow);
        (c.held, c.heldSeq, c.releaseAt, c.heldHash) = (held, stated.seq, releaseAt, stated.receiptHash);
        emit Claimed(id, stated.seq, held, stated.receiptHash, releaseAt);
    }

    /// @notice Pays the provider a claim whose dispute window is over. Anyone may call.
    function release(BillingTypes.Config calldata config) external nonReentrant {
        bytes32 id = channelId(config);
        Channel storage c = _channels[id];
        uint128 held = c.held;
        if (held == 0) revert NoClaim();
        if (block.timestamp < c.releaseAt) revert TooEarly(c.releaseAt);
        c.held = 0;
        uint128 before = c.paid;
        if (held <= before) revert NothingToPay();
        c.paid = held;
        emit Released(id, c.heldSeq, held, held);
        IERC20(config.token).safeTransfer(config.provider, held - before);
    }

    /// @notice Refutes a claim with the device's own word: a head for the same or a later receipt with less in all
    /// (over-claim), or another receipt at the same number (equivocation). The claim is cancelled, receipts up to this one
    /// can be claimed no more (but settled with the payer's acknowledgement), and the device's bond loses twice what was too
    /// much: half of it goes into the channel's escrow, from where the payer can withdraw it, half is lost to everybody.
    /// For an equivocation all that was claimed counts as too much. Anyone may call.
    function challenge(BillingTypes.Config calldata config, Stated calldata proof) external nonReentrant {
        bytes32 id = channelId(config);
        Channel storage c = _channels[id];
        (uint128 held, uint64 heldSeq) = (c.held, c.heldSeq);
        if (held == 0) revert NoClaim();
        if (block.timestamp >= c.releaseAt) revert TooLate(c.releaseAt);
        bool equivocation = proof.seq == heldSeq && proof.receiptHash != c.heldHash;
        if (!equivocation && (proof.seq < heldSeq || proof.cumulative >= held)) revert NoContradiction();
        _requireHead(id, config.device, proof);
        uint128 granted = equivocation ? c.paid : proof.cumulative;
        uint256 excess = held > granted ? held - granted : 0;
        (c.held, c.heldSeq, c.releaseAt) = (0, proof.seq, 0);
        uint128 slashed = _slash(config.provider, config.device, config.token, excess * SLASH_FACTOR);
        // No token moves here, so no token can stand in the way of a challenge. The other half stays here for good: who
        // refutes himself to save his bond loses that.
        c.balance += slashed / 2;
        emit Challenged(id, proof.seq, proof.cumulative, proof.receiptHash, equivocation, slashed);
    }

    /// @notice Stops or allows new deposits. Nothing else can be stopped, by anyone.
    function pauseDeposits(bool paused) external {
        if (msg.sender != GUARDIAN) revert NotGuardian(msg.sender);
        depositsPaused = paused;
        emit DepositsPaused(paused);
    }

    /// @notice Money and claims of a channel; all zero before its first deposit.
    function channelOf(bytes32 id) external view returns (Channel memory) {
        return _channels[id];
    }

    /// @notice The id of the channel with these terms, on this chain and this ledger.
    function channelId(BillingTypes.Config calldata config) public view returns (bytes32) {
        return _hashTypedDataV4(BillingTypes.hash(config));
    }

    function _open(bytes32 id, BillingTypes.Config calldata config) private {
        Channel storage c = _channels[id];
        if (c.opened) return;
        if (
            config.payer == address(0) || config.payerSigner == address(0) || config.provider == address(0)
                || config.device == address(0) || config.disputeWindow < MIN_DISPUTE_WINDOW
                || config.withdrawDelay < config.disputeWindow + CLAIM_MARGIN
                || config.withdrawDelay > MAX_WITHDRAW_DELAY
        ) revert WrongTerms();
        c.opened = true;
        emit ChannelOpened(
            id,
            config.payer,
            config.provider,
            config.payerSigner,
            config.device,
            config.token,
            config.withdrawDelay,
            config.disputeWindow,
            config.salt
        );
    }

    function _deposit(BillingTypes.Config calldata config, uint128 amount) private {
        if (depositsPaused) revert DepositsStopped();
        if (amount == 0) revert ZeroAmount();
        bytes32 id = channelId(config);
        _open(id, config);
        _take(config.token, amount);
        uint128 balance = _channels[id].balance + amount;
        _channels[id].balance = balance;
        emit Deposited(id, msg.sender, amount, balance);
    }

    function _settle(Acknowledged[] calldata rows) private returns (uint256 sum) {
        if (rows.length == 0) return 0;
        (address provider, address token) = (rows[0].config.provider, rows[0].config.token);
        for (uint256 i; i < rows.length; ++i) {
            Acknowledged calldata row = rows[i];
            if (row.config.provider != provider || row.config.token != token) revert MixedPayout();
            sum += _settleRow(row);
        }
        if (sum != 0) IERC20(token).safeTransfer(provider, sum);
    }

    function _settleRow(Acknowledged calldata row) private returns (uint128) {
        bytes32 id = channelId(row.config);
        bytes32 hash = BillingTypes.statement(BillingTypes.ACK, id, row.seq, row.cumulative, row.receiptHash);
        _requireSigner(row.config.payerSigner, ECDSA.recover(_hashTypedDataV4(hash), row.r, row.vs));
        Channel storage c = _channels[id];
        (uint128 balance, uint128 paid) = (c.balance, c.paid);
        uint128 to = row.cumulative < balance ? row.cumulative : balance;
        if (to <= paid) return 0;
        c.paid = to;
        emit Settled(id, row.seq, row.cumulative, to, row.receiptHash);
        return to - paid;
    }

    function _requireHead(bytes32 id, address device, Stated calldata stated) private view {
        bytes32 hash =
            BillingTypes.statement(BillingTypes.HEAD, id, stated.seq, stated.cumulative, stated.receiptHash);
        _requireSigner(device, ECDSA.recoverCalldata(_hashTypedDataV4(hash), stated.signature));
    }
}
