// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {DeviceBonds} from "./DeviceBonds.sol";

/// @title Where gateways are and what they offer
/// @notice A device signs its own entry and anyone may bring it here; a later entry has a higher nonce. Entries end by
/// themselves at `validUntil`. The directory holds no money: the bond is read from the ledger, where it is at stake. Nobody
/// administers it, so an entry is what its device says of itself, and a bond is what makes that worth reading.
contract GatewayDirectory is EIP712 {
    /// @notice What a device says of itself. Its EIP-712 struct hash is what the device signs.
    /// @param device the key that signs heads and this entry
    /// @param provider who is paid, and whose bond counts
    /// @param token what prices and bond are in
    /// @param geohash 1 to 12 characters, zeros behind them: about where it is, as exactly as its owner likes
    /// @param tariffHash Keccak hash of the tariff's canonical JSON; the gateway gives the preimage
    /// @param nonce higher than that of the device's entry or delisting before
    /// @param validUntil when the entry ends, in seconds since the epoch
    /// @param endpoint base URL of its inference API
    /// @param models what it serves, as `name@version`
    struct Listing {
        address device;
        address provider;
        address token;
        bytes12 geohash;
        bytes32 tariffHash;
        uint64 nonce;
        uint64 validUntil;
        string endpoint;
        string[] models;
    }

    /// @notice A listing and what its provider has at stake for the device.
    /// @param bond in the ledger, less what is on its way back to the provider
    struct Entry {
        Listing listing;
        uint128 bond;
    }

    bytes32 private constant LISTING = keccak256(
        "Listing(address device,address provider,address token,bytes12 geohash,bytes32 tariffHash,uint64 nonce,uint64 validUntil,string endpoint,string[] models)"
    );
    bytes32 private constant DELISTING = keccak256("Delisting(address device,uint64 nonce)");

    uint256 public constant MAX_ENDPOINT_BYTES = 256;
    uint256 public constant MAX_MODELS = 64;
    uint256 public constant MAX_MODEL_BYTES = 128;
    /// @notice An entry lives at most this long without being signed again.
    uint256 public constant MAX_LIFETIME = 400 days;

    /// @notice The ledger in which bonds are.
    DeviceBonds public immutable LEDGER;

    /// @notice Nonce of the device's newest entry or delisting; a later one needs a higher one.
    mapping(address device => uint64) public nonceOf;
    /// @notice Whether a provider does not stand for a device (any more).
    mapping(address provider => mapping(address device => bool)) public barred;
    mapping(address device => Listing) private _listings;
    address[] private _devices;
    /// @dev Place in `_devices`, counted from 1.
    mapping(address device => uint256) private _places;

    /// @notice An entry is there, new or in place of the device's last one.
    event Listed(
        address indexed device,
        address indexed provider,
        bytes12 indexed geohash,
        address token,
        bytes32 tariffHash,
        uint64 nonce,
        uint64 validUntil,
        string endpoint,
        string[] models
    );
    event Delisted(address indexed device, uint64 nonce);
    event Barred(address indexed provider, address indexed device, bool barred);

    /// @notice The signature is not the device's.
    error WrongSigner(address signer, address expected);
    /// @notice A newer entry or delisting is known.
    error StaleNonce(uint64 present, uint64 given);
    /// @notice The entry is over already, or would live too long.
    error WrongLifetime(uint64 validUntil);
    error WrongGeohash(bytes12 geohash);
    /// @notice An address is zero, or a text is empty or too long.
    error WrongListing();
    /// @notice The provider does not stand for this device.
    error ProviderRefuses(address provider);
    error NotListed(address device);

    /// @param ledger the ledger in which bonds are
    constructor(address ledger) EIP712("AIMX Gateway Directory", "1") {
        LEDGER = DeviceBonds(ledger);
    }

    /// @notice Lists a device, or puts a new entry in place of its last one. Anyone may bring it.
    function list(Listing calldata listing, bytes calldata signature) external {
        _check(listing);
        address device = listing.device;
        _advance(device, listing.nonce, _hash(listing), signature);
        if (_places[device] == 0) {
            _devices.push(device);
            _places[device] = _devices.length;
        }
        _listings[device] = listing;
        emit Listed(
            device,
            listing.provider,
            listing.geohash,
            listing.token,
            listing.tariffHash,
            listing.nonce,
            listing.validUntil,
            listing.endpoint,
            listing.models
        );
    }

    /// @notice Removes a device's entry by its own word. Entries with lower nonces cannot come back.
    function delist(address device, uint64 nonce, bytes calldata signature) external {
        _advance(device, nonce, keccak256(abi.encode(DELISTING, device, nonce)), signature);
        _remove(device);
    }

    /// @notice The calling provider no longer stands for a device, whose key may be lost or stolen: its entry under this
    /// provider goes and cannot come back until the provider says otherwise.
    function bar(address device, bool isBarred) external {
        barred[msg.sender][device] = isBarred;
        emit Barred(msg.sender, device, isBarred);
        if (isBarred && _places[device] != 0 && _listings[device].provider == msg.sender) _remove(device);
    }

    /// @notice Removes an entry that is over. Anyone may tidy up.
    function prune(address device) external {
        if (_places[device] == 0) revert NotListed(device);
        uint64 validUntil = _listings[device].validUntil;
        if (block.timestamp <= validUntil) revert WrongLifetime(validUntil);
        _remove(device);
    }

    /// @notice Number of entries, those that are over included.
    function count() external view returns (uint256) {
        return _devices.length;
    }

    /// @notice Up to `length` entries from number `from` on, in no order that means anything. To page through all of them ask
    /// as of one block: entries change places when others go.
    function page(uint256 from, uint256 length) external view returns (Entry[] memory entries) {
        uint256 total = _devices.length;
        if (from > total) from = total;
        if (length > total - from) length = total - from;
        entries = new Entry[](length);
        for (uint256 i; i < length; ++i) {
            entries[i] = _entry(_devices[from + i]);
        }
    }

    /// @notice The entry of a device; reverts when there is none.
    function entryOf(address device) external view returns (Entry memory) {
        if (_places[device] == 0) revert NotListed(device);
        return _entry(device);
    }

    function _entry(address device) private view returns (Entry memory entry) {
        entry.listing = _listings[device];
        DeviceBonds.Bond memory b = LEDGER.bondOf(entry.listing.provider, device, entry.listing.token);
        entry.bond = b.amount > b.thawing ? b.amount - b.thawing : 0;
    }

    function _check(Listing calldata l) private view {
        if (l.device == address(0) || l.provider == address(0) || l.token == address(0)) revert WrongListing();
        if (barred[l.provider][l.device]) revert ProviderRefuses(l.provider);
        if (l.validUntil < block.timestamp || l.validUntil > block.timestamp + MAX_LIFETIME) {
            revert WrongLifetime(l.validUntil);
        }
        uint256 size = bytes(l.endpoint).length;
        if (size == 0 || size > MAX_ENDPOINT_BYTES || l.models.length > MAX_MODELS) revert WrongListing();
        for (uint256 i; i < l.models.length; ++i) {
            size = bytes(l.models[i]).length;
            if (size == 0 || size > MAX_MODEL_BYTES) revert WrongListing();
        }
        _checkGeohash(l.geohash);
    }

    /// @dev Base 32 without a, i, l and o (http://geohash.org), then zeros only.
    function _checkGeohash(bytes12 geohash) private pure {
        bool over;
        for (uint256 i; i < 12; ++i) {
            uint8 c = uint8(geohash[i]);
            if (c == 0) {
                if (i == 0) revert WrongGeohash(geohash);
                over = true;
                continue;
            }
            bool digit = c >= 0x30 && c <= 0x39;
            bool letter = c >= 0x62 && c <= 0x7a && c != 0x69 && c != 0x6c && c != 0x6f;
            if (over || !(digit || letter)) revert WrongGeohash(geohash);
        }
    }

    function _advance(address device, uint64 nonce, bytes32 structHash, bytes calldata signature) private {
        uint64 present = nonceOf[device];
        if (nonce <= present) revert StaleNonce(present, nonce);
        address signer = ECDSA.recoverCalldata(_hashTypedDataV4(structHash), signature);
        if (signer != device) revert WrongSigner(signer, device);
        nonceOf[device] = nonce;
    }

    function _remove(address device) private {
        uint256 place = _places[device];
        if (place == 0) revert NotListed(device);
        address last = _devices[_devices.length - 1];
        _devices[place - 1] = last;
        _places[last] = place;
        _devices.pop();
        delete _places[device];
        delete _listings[device];
        emit Delisted(device, nonceOf[device]);
    }

    function _hash(Listing calldata l) private pure returns (bytes32) {
        bytes32[] memory models = new bytes32[](l.models.length);
        for (uint256 i; i < models.length; ++i) {
            models[i] = keccak256(bytes(l.models[i]));
        }
        return keccak256(
            abi.encode(
                LISTING,
                l.device,
                l.provider,
                l.token,
                l.geohash,
                l.tariffHash,
                l.nonce,
                l.validUntil,
                keccak256(bytes(l.endpoint)),
                keccak256(abi.encodePacked(models))
            )
        );
    }
}
