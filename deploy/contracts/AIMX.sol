// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title AIMX, the token that uses are settled in
/// @notice Fixed supply of 150 million, minted once at deployment. No owner, no minting, no pausing, no upgrade.
contract AIMX is ERC20, ERC20Permit {
    /// @notice The whole supply, in the token's smallest unit (18 decimals).
    uint256 public constant SUPPLY = 150_000_000e18;

    /// @param treasury receives the whole supply
    constructor(address treasury) ERC20("AI Matrix", "AIMX") ERC20Permit("AI Matrix") {
        _mint(treasury, SUPPLY);
    }
}
