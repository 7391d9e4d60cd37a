// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title Bonds of devices: what a provider loses when a device lies
/// @notice A bond is named by provider, device and token. Anyone may add to it; only its provider may take it back, and
/// only after {BOND_DELAY}, which every payer can see coming.
abstract contract DeviceBonds is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice Present amount, and what of it the provider takes back when.
    struct Bond {
        uint128 amount;
        uint128 thawing;
        uint64 thawAt;
    }

    /// @notice How long a provider waits for its bond: longer than any claim can be disputed.
    uint256 public constant BOND_DELAY = 31 days;

    mapping(address provider => mapping(address device => mapping(address token => Bond))) private _bonds;

    event BondAdded(address indexed provider, address indexed device, address indexed token, uint128 amount);
    event BondThawing(
        address indexed provider, address indexed device, address indexed token, uint128 amount, uint64 thawAt
    );
    event BondWithdrawn(address indexed provider, address indexed device, address indexed token, uint128 amount);

    /// @notice The token did not move the amount it was asked to: it takes a fee, or is no ERC-20.
    error WrongTransfer(uint256 expected, uint256 moved);
    /// @notice It is too early: wait until this time (seconds since the epoch).
    error TooEarly(uint256 until);

    /// @notice Adds to the bond of a provider's device. Tokens that take a fee on transfer are refused.
    function addBond(address provider, address device, address token, uint128 amount) external nonReentrant {
        _take(token, amount);
        _bonds[provider][device][token].amount += amount;
        emit BondAdded(provider, device, token, amount);
    }

    /// @notice Announces that the calling provider takes `amount` back after {BOND_DELAY}; 0 takes the announcement back.
    function thawBond(address device, address token, uint128 amount) external {
        Bond storage b = _bonds[msg.sender][device][token];
        uint64 thawAt = amount == 0 ? 0 : uint64(block.timestamp + BOND_DELAY);
        (b.thawing, b.thawAt) = (amount, thawAt);
        emit BondThawing(msg.sender, device, token, amount, thawAt);
    }

    /// @notice Pays out what the calling provider announced, or what is left of it.
    function withdrawBond(address device, address token) external nonReentrant {
        Bond storage b = _bonds[msg.sender][device][token];
        if (b.thawAt == 0 || block.timestamp < b.thawAt) revert TooEarly(b.thawAt);
        uint128 amount = b.thawing < b.amount ? b.thawing : b.amount;
        b.amount -= amount;
        (b.thawing, b.thawAt) = (0, 0);
        emit BondWithdrawn(msg.sender, device, token, amount);
        IERC20(token).safeTransfer(msg.sender, amount);
    }

    /// @notice The bond of a provider's device in a token.
    function bondOf(address provider, address device, address token) external view returns (Bond memory) {
        return _bonds[provider][device][token];
    }

    /// @dev Takes up to `amount` out of a bond and answers how much that is. The caller pays it to somebody.
    function _slash(address provider, address device, address token, uint256 amount)
        internal
        returns (uint128 slashed)
    {
        Bond storage b = _bonds[provider][device][token];
        slashed = amount < b.amount ? uint128(amount) : b.amount;
        b.amount -= slashed;
    }

    /// @dev Moves tokens from the caller to this contract and proves that all of them came.
    function _take(address token, uint128 amount) internal {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 moved = IERC20(token).balanceOf(address(this)) - before;
        if (moved != amount) revert WrongTransfer(amount, moved);
    }
}
