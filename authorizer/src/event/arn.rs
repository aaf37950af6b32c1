//! The ARN of the called method: where every answer's resources come from.

/// The parts of `arn:{partition}:execute-api:{region}:{account}:{api}/{stage}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodArn {
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: String,
    /// The region.
    pub region: String,
    /// Twelve digits.
    pub account: String,
    /// The API's id.
    pub api: String,
    /// The stage; `$default` on HTTP APIs.
    pub stage: String,
}

impl MethodArn {
    /// Splits an ARN into its parts and what follows the stage (`GET/orders/1`). Nothing is made up: an ARN without an
    /// account, an API or a stage is none.
    pub fn parse(arn: &str) -> Option<(Self, &str)> {
        let mut fields = arn.splitn(6, ':');
        let mut next = || fields.next();
        let (scheme, partition, service, region, account) =
            (next()?, next()?, next()?, next()?, next()?);
        let mut resource = next()?.splitn(3, '/');
        let (api, stage) = (resource.next()?, resource.next()?);
        let rest = resource.next()?;

        let words = |text: &str, extra: &[u8]| {
            !text.is_empty()
                && text.len() <= 128
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || extra.contains(&b))
        };
        let sound = scheme == "arn"
            && service == "execute-api"
            && (partition == "aws" || partition.starts_with("aws-"))
            && words(partition, b"-")
            && words(region, b"-")
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && words(api, b"-")
            && (stage == "$default" || words(stage, b"-_"));
        sound.then(|| {
            let owned = str::to_owned;
            let arn = Self {
                partition: owned(partition),
                region: owned(region),
                account: owned(account),
                api: owned(api),
                stage: owned(stage),
            };
            (arn, rest)
        })
    }

    /// `arn:…:{api}/{stage}`, to which `/{METHOD}{path}` is added.
    pub fn base(&self) -> String {
        let Self {
            partition,
            region,
            account,
            api,
            stage,
        } = self;
        format!("arn:{partition}:execute-api:{region}:{account}:{api}/{stage}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_and_the_default_stage_are_understood() {
        for arn in [
            "arn:aws:execute-api:eu-west-1:123456789012:abcdef123/prod/GET/orders/1",
            "arn:aws-cn:execute-api:cn-north-1:123456789012:abcdef123/prod/GET/orders/1",
            "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:abcdef123/$default/GET/orders/1",
        ] {
            let (parsed, rest) = MethodArn::parse(arn).unwrap();
            assert_eq!(rest, "GET/orders/1");
            assert_eq!(format!("{}/{rest}", parsed.base()), arn);
        }
    }

    #[test]
    fn an_arn_with_anything_missing_or_wild_is_none() {
        for arn in [
            "",
            "arn",
            "arn:aws:execute-api:eu-west-1::abc/prod/GET/",
            "arn:aws:execute-api::123456789012:abc/prod/GET/",
            "arn:aws:execute-api:eu-west-1:123456789012:/prod/GET/",
            "arn:aws:execute-api:eu-west-1:123456789012:abc//GET/",
            "arn:aws:execute-api:eu-west-1:123456789012:abc/prod",
            "arn:aws:execute-api:eu-west-1:12345678901x:abc/prod/GET/",
            "arn:aws:execute-api:eu-west-1:1234567890123:abc/prod/GET/",
            "arn:aws:execute-api:eu-west-1:123456789012:abc/*/GET/",
            "arn:aws:execute-api:eu-west-1:123456789012:a?c/prod/GET/",
            "arn:aws:execute-api:*:123456789012:abc/prod/GET/",
            "arn:aws:lambda:eu-west-1:123456789012:abc/prod/GET/",
            "arn:evil:execute-api:eu-west-1:123456789012:abc/prod/GET/",
            "arn:aws:execute-api:eu-west-1:123456789012:abc/$other/GET/",
        ] {
            assert_eq!(MethodArn::parse(arn), None, "{arn}");
        }
    }
}
