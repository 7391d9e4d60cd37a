// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The signed and hashed documents of edge billing (EIP-712)
/// @notice One distinct type per meaning, so that a signature given for one can never serve as another.
/// A Receipt never comes on-chain by itself; its type stands here so that there is one place that defines all of them.
library BillingTypes {
    /// @notice Who may bill whom, and under which delays. Its EIP-712 digest is the channel's id.
    struct Config {
        address payer;
        address payerSigner;
        address provider;
        address device;
        address token;
        uint32 withdrawDelay;
        uint32 disputeWindow;
        bytes32 salt;
    }

    bytes32 internal constant CONFIG = keccak256(
        "Config(address payer,address payerSigner,address provider,address device,address token,uint32 withdrawDelay,uint32 disputeWindow,bytes32 salt)"
    );
    bytes32 internal constant RECEIPT = keccak256(
        "Receipt(bytes32 channelId,uint64 seq,bytes32 prevHash,string requestId,bytes32 tariffHash,bytes32 modelHash,bytes32 usageHash,bytes32 ioHash,uint64 startedAtMs,uint64 computeUs,uint128 amount,uint128 cumulative)"
    );
    bytes32 internal constant HEAD =
        keccak256("Head(bytes32 channelId,uint64 seq,uint128 cumulative,bytes32 receiptHash)");
    bytes32 internal constant ACK =
        keccak256("Ack(bytes32 channelId,uint64 seq,uint128 cumulative,bytes32 receiptHash)");
    bytes32 internal constant CEILING =
        keccak256("Ceiling(bytes32 channelId,uint128 maxCumulative,uint64 validUntil)");
    bytes32 internal constant BATCH =
        keccak256("Batch(bytes32 prevHead,bytes32 root,uint64 toSeq,uint128 total)");

    /// @dev Struct hash of a channel's configuration.
    function hash(Config calldata c) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                CONFIG,
                c.payer,
                c.payerSigner,
                c.provider,
                c.device,
                c.token,
                c.withdrawDelay,
                c.disputeWindow,
                c.salt
            )
        );
    }

    /// @dev Struct hash of a batch: the device's new head.
    function batch(bytes32 prevHead, bytes32 root, uint64 toSeq, uint128 total) internal pure returns (bytes32) {
        return keccak256(abi.encode(BATCH, prevHead, root, toSeq, total));
    }

    /// @dev Struct hash of a Head (typehash HEAD) or an Ack (typehash ACK): the same fields, another meaning.
    function statement(bytes32 typeHash, bytes32 channelId, uint64 seq, uint128 cumulative, bytes32 receiptHash)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(typeHash, channelId, seq, cumulative, receiptHash));
    }

    /// @dev Struct hash of a ceiling.
    function ceiling(bytes32 channelId, uint128 maxCumulative, uint64 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(CEILING, channelId, maxCumulative, validUntil));
    }
}
