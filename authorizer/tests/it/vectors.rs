//! Vectors that our issuer didn't make: RFC 7515 A.2 and A.3, RFC 8037 A.3 and A.4, RFC 7638 3.1.

use gatewright_authorizer::jose::{JoseError, Jws, PublicKey, thumbprint};
use serde_json::{Value, json};

const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const EDDSA: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn rsa_key() -> Value {
    json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"})
}

fn ec_key() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

fn ed_key() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

#[test]
fn the_examples_of_the_rfcs_verify_and_their_neighbours_do_not() {
    let keys = [rsa_key(), ec_key(), ed_key()].map(|jwk| PublicKey::from_jwk(&jwk).unwrap());
    for (at, token) in [RS256, ES256, EDDSA].into_iter().enumerate() {
        let jws = Jws::parse(token, 8192).unwrap();
        for (other, key) in keys.iter().enumerate() {
            let expected = if at == other {
                Ok(())
            } else {
                Err(JoseError::KeyMismatch)
            };
            assert_eq!(jws.verify(key), expected);
        }
        let (input, signature) = token.rsplit_once('.').unwrap();
        let swapped: String = signature
            .chars()
            .map(|c| if c == 'A' { 'B' } else { c })
            .rev()
            .collect();
        if let Ok(jws) = Jws::parse(&format!("{input}.{swapped}"), 8192) {
            assert_eq!(jws.verify(&keys[at]), Err(JoseError::Signature));
        }
    }
}

#[test]
fn the_payload_of_the_rfc_is_read() {
    let payload = Jws::parse(ES256, 8192).unwrap().payload().unwrap();
    assert_eq!(payload["iss"], "joe");
    assert_eq!(payload["exp"], 1_300_819_380);
    assert!(
        Jws::parse(EDDSA, 8192).unwrap().payload().is_err(),
        "this one is not JSON"
    );
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    let example = json!({"kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"});
    assert_eq!(
        thumbprint(&example).unwrap(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
    assert_eq!(
        thumbprint(&ed_key()).unwrap(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    assert!(thumbprint(&json!({"kty": "EC", "crv": "P-256", "x": "a"})).is_err());
}
